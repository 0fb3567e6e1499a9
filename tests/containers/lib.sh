# shellcheck shell=bash
# What the scripts here share: where things are, which container engine there is, how to say what was seen.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shared=${BIDS_RSA_SHARED:-$root/../shared}
[ ! -d "$shared" ] || shared=$(cd "$shared" && pwd)
# all that is made here: the dataset, results, images, and the tools where the machine has none
scratch=${CONTAINER_SCRATCH:-${TMPDIR:-/tmp}/bids_rsa_containers}
mkdir -p "$scratch"
image=${IMAGE:-localhost/bids_rsa:ci}
python=${PYTHON:-$root/.venv/bin/python}
bids=$scratch/bids
reference=$scratch/reference
# as every run of the example dataset is started: outside of a container, and inside
options=(--model "$bids/models/planted.tsv" --radius 20)
# shellcheck disable=SC2034  # read by the scripts that source this one
inside=(/data /out participant --model /data/models/planted.tsv --radius 20)
n_permutations=200

say() { printf '\n=== %s\n' "$*"; }

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# check WHAT COMMAND...: the command must succeed
check() {
  local what=$1
  shift
  "$@" || fail "$what"
  printf 'ok: %s\n' "$what"
}

# Docker where its engine answers, else podman, else the tools beside the project
find_engine() {
  if docker info >/dev/null 2>&1; then
    engine=docker
  elif [ -x "$shared/tools/containers/setup" ]; then
    [ -f "${CONTAINER_TOOLS:-$scratch/tools}/env" ] || "$shared/tools/containers/setup" "$scratch/tools"
    # shellcheck source=/dev/null
    . "${CONTAINER_TOOLS:-$scratch/tools}/env"
    engine=podman
  elif command -v podman >/dev/null; then
    engine=podman
  else
    fail "no container engine: neither docker nor podman, nor $shared/tools/containers"
  fi
}

build_image() {
  local revision
  revision=$(git -C "$root" rev-parse HEAD)
  if [ "$engine" = podman ] && command -v buildah >/dev/null; then
    buildah bud --isolation chroot --pull-never --quiet --build-arg "REVISION=$revision" -t "$image" "$root"
  else
    "$engine" build --quiet --build-arg "REVISION=$revision" -t "$image" "$root"
  fi
}

# run OPTION... -- ARGUMENT...: the image, with the dataset at /data and $out at /out
run() {
  local flags=()
  while [ "$1" != -- ]; do
    flags+=("$1")
    shift
  done
  shift
  "$engine" run --rm -v "$bids:/data:ro" -v "$out:/out" "${flags[@]}" "$image" "$@"
}

# an empty folder for the results of one way to run; owned by the user who will write there
new_out() {
  out=$scratch/out-$1
  rm -rf "$out"
  mkdir -p "$out"
  chown "${2:-$(id -u):$(id -g)}" "$out"
}

same_maps() { "$python" "$root/tests/containers/same_maps.py" "$@"; }

# the example dataset, few participants on a coarse grid, and what an installation with pip makes of it
# made once, also by scripts that run beside each other
make_reference() {
  exec {reference_lock}>"$scratch/reference.lock"
  flock "$reference_lock"
  make_reference_once
  exec {reference_lock}>&-
}

make_reference_once() {
  [ -f "$bids/dataset_description.json" ] || "$python" - "$bids" <<'MAKE'
import sys
from bids_rsa.example import ExampleSettings, make_example
make_example(sys.argv[1], ExampleSettings(n_subjects=6, n_runs=2, voxel_mm=8))
MAKE
  chmod -R a+rX "$bids"
  [ -f "$reference/.complete" ] && return
  rm -rf "$reference"
  "$python" -m bids_rsa.cli "$bids" "$reference" participant "${options[@]}"
  "$python" -m bids_rsa.cli "$bids" "$reference" group --n-permutations $n_permutations
  touch "$reference/.complete"
}
