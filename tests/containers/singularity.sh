#!/usr/bin/env bash
# Builds the SIF in both ways, runs each as root and as a plain user, and compares with a pip run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_engine
make_reference
command -v apptainer >/dev/null || fail "no apptainer"
"$engine" image inspect "$image" >/dev/null 2>&1 || build_image >/dev/null
# a plain user may not be let into the project's folder
cp "$root/tests/containers/cache_misses.py" "$scratch/cache_misses.py"
cd "$scratch"
# compression is what takes time here, and nothing here needs a small file
squash=(--mksquashfs-args "-Xcompression-level 1")
export APPTAINER_TMPDIR=${APPTAINER_TMPDIR:-$scratch} APPTAINER_CACHEDIR=${APPTAINER_CACHEDIR:-$scratch/cache}

archive() { rm -f "$2" && "$engine" save ${3:+-q --format docker-archive} -o "$2" "$1"; }
save() { if [ "$engine" = podman ]; then archive "$1" "$2" yes; else archive "$1" "$2"; fi; }

# apptainer as a plain user: this one, or where the script is root's, user 1000 (the tools beside the project know how)
plain() {
  if [ "$(id -u)" = 0 ]; then APPTAINER_AS=1000 apptainer "$@"; else apptainer "$@"; fi
}

app() { # app SIF ARGUMENT...
  local sif=$1
  shift
  plain run --cleanenv --containall -B "$bids:/data:ro" -B "$out:/out" "$sif" "$@"
}

as_every_user() {
  local sif=$1 name
  name=$(basename "$sif" .sif)
  say "$name as a plain user, both levels"
  new_out "$name-user" "$([ "$(id -u)" = 0 ] && echo 1000:1000)"
  # what a login shell may hold must not come in
  PYTHONPATH=/nowhere PYTHONHOME=/nowhere app "$sif" "${inside[@]}"
  app "$sif" /data /out group --n-permutations $n_permutations
  check "same maps as with pip" same_maps "$reference" "$out"
  check "same group maps as with pip" same_maps "$reference" "$out" 'group/*_statmap.nii.gz'
  [ "$(id -u)" = 0 ] || return 0
  check "all belong to the caller" test -z "$(find "$out" ! -uid 1000 -print -quit)"
  say "$name as root"
  new_out "$name-root"
  apptainer run --no-privs --cleanenv --containall -B "$bids:/data:ro" -B "$out:/out" "$sif" \
    "${inside[@]}" --participant-label 01
  check "same maps as with pip" same_maps "$reference" "$out" 'sub-01/func/*_statmap.nii.gz'
}

say "SIF from the Docker image"
save "$image" "$scratch/app.tar"
apptainer --quiet build --force "${squash[@]}" "$scratch/converted.sif" "docker-archive:$scratch/app.tar"
rm "$scratch/app.tar"
as_every_user "$scratch/converted.sif"
new_out cache "$([ "$(id -u)" = 0 ] && echo 1000:1000)"
check "kernels come compiled here too" plain exec --cleanenv --containall -B "$bids:/data:ro" -B "$out:/out" \
  -B "$scratch/cache_misses.py:/cache_misses.py:ro" \
  "$scratch/converted.sif" /opt/bids_rsa/bin/python -I /cache_misses.py

say "SIF from the definition file"
from=()
if [ "$engine" = podman ]; then
  save docker.io/library/python:3.13-slim-trixie "$scratch/base.tar"
  from=(--build-arg BOOTSTRAP=docker-archive --build-arg "FROM=$scratch/base.tar")
fi
revision=$(git -C "$root" rev-parse HEAD)
(cd "$root" && apptainer --quiet build --fakeroot --force "${squash[@]}" "${from[@]}" \
  --build-arg "REVISION=$revision" "$scratch/defined.sif" singularity/bids_rsa.def)
check "its own test passes" plain test "$scratch/defined.sif"
check "its help says how to run it" grep -q 'apptainer run' <<<"$(plain run-help "$scratch/defined.sif")"
check "its labels name the revision" grep -q "revision: $revision" <<<"$(plain inspect "$scratch/defined.sif")"
as_every_user "$scratch/defined.sif"
