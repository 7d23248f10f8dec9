#!/bin/sh
# Sets up what mlx.c needs to build and test: Debian packages, a virtual environment in .venv, the example model.
# usage: tools/setup.sh            (run from the repository's root; the Makefile does)
set -eu
packages="gcc make pkg-config libjansson-dev zlib1g-dev libpcre2-dev libcmocka-dev python3-dev python3-venv"

missing=""
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q "install ok installed" || missing="$missing $p"
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
stamp=.venv/requirements.stamp
if [ ! -f "$stamp" ] || [ requirements.txt -nt "$stamp" ]; then
  echo "installing Python packages into .venv"
  .venv/bin/pip install -q --disable-pip-version-check -r requirements.txt
  touch "$stamp"
fi
