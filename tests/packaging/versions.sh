#!/usr/bin/env bash
# Installs a wheel away from the repository, with the oldest and the newest versions that it admits,
# under each Python that this machine has; runs both levels and a short suite there, and compares the maps.
# Usage: versions.sh WHEEL     (uv must be on the PATH)
set -euo pipefail
wheel=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bids_rsa_versions.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export UV_PYTHON_DOWNLOADS=never PYTHONPATH="" MPLBACKEND=agg
suite=(tests/library/test_images.py tests/library/test_folds.py tests/inputs/test_models.py)

# the interpreter of this version, or nothing
find_python() {
  local candidate
  for candidate in "python$1" "$(command -v pyenv >/dev/null && pyenv root)/versions/$1".*/bin/python; do
    if "$candidate" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  uv python find "$1" 2>/dev/null || true
}

# try NAME PYTHON RESOLUTION: everything about one environment, in a log of its own
try() {
  local place=$scratch/$1 python=$2 resolution=$3
  mkdir -p "$place" && cd "$place"
  uv venv --quiet --python "$python" venv
  # of the wheel itself the bounds would count as indirect, and be resolved to the newest
  uv pip compile --quiet --python venv/bin/python --resolution "$resolution" --extra hdf5 \
    --output-file requirements.txt "$root/pyproject.toml"
  uv pip install --quiet --python venv/bin/python --requirement requirements.txt
  uv pip install --quiet --python venv/bin/python --no-deps "$wheel"
  uv pip install --quiet --python venv/bin/python pytest pytest-timeout hypothesis
  venv/bin/python - <<'VERSIONS'
import platform
from importlib.metadata import version
names = ("numba", "numpy", "scipy", "pandas", "nibabel", "nilearn", "nipype", "pybids", "scikit-learn", "matplotlib")
print("python", platform.python_version(), *(f"{name} {version(name)}" for name in names))
VERSIONS
  # what must be the oldest is the oldest
  [ "$resolution" = highest ] || grep -q "numba==$(sed -n 's/.*"numba>=\([0-9.]*\).*/\1/p' "$root/pyproject.toml")" requirements.txt
  venv/bin/python -c "import bids_rsa; assert bids_rsa.__file__.startswith('$place'), bids_rsa.__file__"
  venv/bin/python -m bids_rsa --version
  venv/bin/python -W error::UserWarning - <<'MAKE'
from bids_rsa.example import ExampleSettings, make_example
make_example("bids", ExampleSettings(n_subjects=5, n_runs=2, voxel_mm=8))
MAKE
  venv/bin/bids_rsa bids out participant --model bids/models/planted.tsv --radius 20
  venv/bin/bids_rsa bids out group --n-permutations 20
  (cd "$root" && "$place/venv/bin/pytest" -q -p no:cacheprovider "${suite[@]}")
}

failed=0
names=()
pids=()
for spec in "oldest 3.11 lowest-direct" "newest 3.13 highest" "newest 3.12 highest"; do
  read -r which version resolution <<<"$spec"
  name=python$version-$which
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    echo "skipped: $name, this machine has no Python $version"
    continue
  fi
  try "$name" "$python" "$resolution" >"$scratch/$name.log" 2>&1 &
  pids+=("$!")
  names+=("$name")
done
[ "${#names[@]}" -gt 0 ] || { echo "FAILED: no environment was tried" >&2; exit 1; }

for i in "${!names[@]}"; do
  name=${names[i]}
  if wait "${pids[i]}"; then
    echo "$name: $(grep -m 1 '^python ' "$scratch/$name.log")"
    tail -n 1 "$scratch/$name.log"
  else
    cat "$scratch/$name.log"
    echo "FAILED: $name" >&2
    failed=1
  fi
done
[ "$failed" = 0 ] || exit 1

# the maps do not depend on the versions
for name in "${names[@]:1}"; do
  for pattern in 'sub-*/func/*_statmap.nii.gz' 'group/*_stat-t_*_statmap.nii.gz'; do
    "$scratch/$name/venv/bin/python" "$root/tests/containers/same_maps.py" \
      "$scratch/${names[0]}/out" "$scratch/$name/out" "$pattern"
  done
done
