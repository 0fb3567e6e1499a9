#!/bin/sh
# Installs the app into a virtual environment of its own, compiled and without tests.
# Used by the Dockerfile and by singularity/bids_rsa.def.   Usage: install.sh SOURCE TARGET
set -eu
source=$1
target=$2

python3 -m venv --without-pip "$target"
# pip's own compilation would run before the tests are taken out
python3 -m pip --python "$target/bin/python" install --no-cache-dir --no-compile \
  --disable-pip-version-check --root-user-action ignore \
  --constraint "$source/constraints.txt" "${source}[hdf5]"

find "$target/lib" -depth -type d \( -name tests -o -name test \) -exec rm -r {} +

# the environment of a cluster's login shell (PYTHONPATH, ~/.local) stays outside
sed -i '1s/$/ -I/' "$target/bin/bids_rsa"

# by content, not by time: valid whatever a layer or a SIF does to time stamps
PYTHONWARNINGS=ignore "$target/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$target/lib"

# the kernels too, for the processor that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name
: "${NUMBA_CPU_NAME:?} ${NUMBA_CPU_FEATURES:?}"
case "$(uname -m) $NUMBA_CPU_NAME" in
  "x86_64 generic" | "aarch64 x86-64"*)
    echo "The kernels would be compiled for $NUMBA_CPU_NAME on $(uname -m): the builder must set TARGETARCH, as BuildKit does." >&2
    exit 1
    ;;
esac
"$target/bin/python" -m bids_rsa.core.warm_up
