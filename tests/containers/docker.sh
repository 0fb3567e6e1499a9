#!/usr/bin/env bash
# Builds the image and runs the example dataset in every way that clusters and clouds run containers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_engine
make_reference
one=("${inside[@]}" --participant-label 01)

# the maps of participant 01 in $out are those of the pip run
same_as_pip() { same_maps "$reference" "$out" 'sub-01/func/*_statmap.nii.gz'; }
owned_by() { [ -z "$(find "$out" ! -uid "$1" -print -quit)" ]; }
label() { "$engine" image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$image"; }

say "The image"
new_out image
[ "${REUSE_IMAGE:-no}" = yes ] || build_image >/dev/null
bytes=$("$engine" image inspect --format '{{.Size}}' "$image")
echo "size: $((bytes / 1000000)) MB"
check "it is under 900 MB" test "$bytes" -lt 900000000
version=$("$python" -c 'import bids_rsa; print(bids_rsa.__version__)')
check "its labels and /version name version and revision" test \
  "$(label version) $(label revision) $(run --entrypoint cat -- /version)" = "$version $(git -C "$root" rev-parse HEAD) $version"
check "no tests, no validator, no pip inside" test -z \
  "$(run --entrypoint find -- /opt/bids_rsa/lib \( -name tests -o -name test -o -name 'bids_validator_deno*' -o -name pip \) -type d)"
run -- --help >/dev/null
start=$(date +%s%N)
run -- --help >/dev/null
echo "--help took $((($(date +%s%N) - start) / 1000000)) ms"

say "Kernels come compiled: no cache miss in the read-only image"
new_out cache 4242:4242
check "all kernels were read from the cache" run --network none --read-only --tmpfs /tmp --user 4242:4242 \
  -v "$root/tests/containers:/tests:ro" --entrypoint /opt/bids_rsa/bin/python -- -I /tests/cache_misses.py

say "As root"
new_out root
run -- "${one[@]}"
check "same maps as with pip" same_as_pip

say "As user 1000 of group 1000, all at once: no network, no capabilities, read-only root, both levels"
new_out user 1000:1000
locked=(--user 1000:1000 --network none --cap-drop all --security-opt no-new-privileges --read-only --tmpfs /tmp)
run "${locked[@]}" -- "${inside[@]}"
run "${locked[@]}" -- /data /out group --n-permutations $n_permutations
check "same maps as with pip, all participants" same_maps "$reference" "$out"
check "same group maps as with pip" same_maps "$reference" "$out" 'group/*_statmap.nii.gz'
check "all belong to the caller" owned_by 1000

say "As a user whom the image does not know, read-only root without /tmp, a home that cannot be written"
new_out stranger 54321:54321
run --user 54321:54321 --network none --cap-drop all --read-only -e HOME=/nowhere -- "${one[@]}"
check "same maps as with pip" same_as_pip
check "all belong to the caller" owned_by 54321

say "Within limits: one CPU and 1 GB"
new_out limits
run --memory 1g --cpus 1 -- "${one[@]}" 2>&1 | tee "$scratch/limits.log"
check "same maps as with pip" same_as_pip
check "the log says what it may use and why" grep -q "1 CPU (cgroup CPU quota) and 1.0 GB of memory (cgroup memory limit)" "$scratch/limits.log"

say "Too little memory: said before it starts, with the number"
new_out small
code=0
run --memory 200m -- "${one[@]}" 2>&1 | tee "$scratch/small.log" || code=$?
check "it ends with an exit code of its own, not killed" test "$code" = 73
check "it says how much it needs" grep -Eq "needs [0-9.]+ GB" "$scratch/small.log"
check "nothing was written" test -z "$(find "$out" -name '*.nii.gz')"
