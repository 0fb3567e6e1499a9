#!/usr/bin/env bash
# Submits the example dataset to a real SLURM with singularity/submit.sh: array, dependent group job, failures,
# what is submitted again; then Nipype's own SLURM plugin. Compares all with a pip run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_reference
started=no
if ! sinfo >/dev/null 2>&1; then
  [ -x "$shared/tools/slurm/start" ] || fail "no SLURM, and no $shared/tools/slurm"
  "$shared/tools/slurm/start" "$scratch/slurm"
  export SLURM_CONF=$scratch/slurm/slurm.conf
  started=yes
fi
finish() {
  [ $started = no ] || "$shared/tools/slurm/stop" "$scratch/slurm"
}
trap finish EXIT
PATH=$(dirname "$python"):$PATH
export PATH

# wait until none of the jobs is queued or running
wait_for() {
  local ids
  ids=$(IFS=,; echo "$*")
  for _ in $(seq 900); do
    [ -n "$(squeue -h -j "$ids" 2>/dev/null)" ] || return 0
    sleep 1
  done
  squeue -j "$ids"
  fail "the jobs $ids did not end"
}
job() { awk -v kind="$1" '$1 == kind {print $2}' <<<"$2"; }
state_of() { scontrol show job "$1" | grep -o 'JobState=[A-Z]*' | sort -u | tr '\n' ' '; }
submit() { "$root/singularity/submit.sh" "$bids" "$out" --cpus 1 --mem 2G --time 00:10:00 "$@"; }
group_log() { cat "$out"/.slurm/*/logs/group_"$1".txt; }

# a call that must fail with exit code 2 and say this
refused() {
  local says=$1 code=0 answer
  shift
  answer=$("$@" 2>&1) || code=$?
  [ $code = 2 ] && grep -qF "$says" <<<"$answer"
}

say "A dry run shows the jobs and writes nothing"
new_out slurm
rm -rf "$out"
check "an array and a group job are shown" test "$(submit "${options[@]}" --dry-run 2>&1 >/dev/null | grep -c '^sbatch')" = 2
check "nothing was written" test ! -e "$out"

say "Array and group job"
new_out slurm
ids=$(submit "${options[@]}" --group --n-permutations $n_permutations)
echo "$ids"
check "the group job waits for the array" grep -q "Dependency=afterany:$(job participant "$ids")" <<<"$(scontrol show job "$(job group "$ids")")"
check "the same command is refused while it runs" refused "still queued or running (job $(job participant "$ids"))" submit "${options[@]}"
wait_for "$(job participant "$ids")" "$(job group "$ids")"
check "the group job ended well" test "$(state_of "$(job group "$ids")")" = "JobState=COMPLETED "
check "same maps as with pip" same_maps "$reference" "$out"
check "same group maps as with pip" same_maps "$reference" "$out" 'group/*_statmap.nii.gz'
check "a task saw what SLURM gave it" grep -q "1 CPU (SLURM_CPUS_PER_TASK)" "$out"/.slurm/*/logs/"$(job participant "$ids")"_1.txt

say "Again: only what is not done"
rm -r "$out/sub-03"
ids=$(submit "${options[@]}" --no-group)
check "one participant is submitted" test "$(find "$out"/.slurm -name 'tasks-*' -newer "$out/group" -exec cat {} +)" = 03
wait_for "$(job participant "$ids")"
check "same maps as with pip" same_maps "$reference" "$out"

say "A participant that fails is named, and the group level waits for --allow-missing"
broken=$scratch/broken
rm -rf "$broken"
cp -r "$bids" "$broken"
victim=$(find "$broken/sub-02" -name '*_statmap.nii.gz' | sort | head -1)
head -c 200 "$victim" > "$victim.part" && mv "$victim.part" "$victim"
new_out slurm-broken
ids=$(bids=$broken submit "${options[@]}" --participant-label 01 02 03 --group --n-permutations $n_permutations)
wait_for "$(job participant "$ids")" "$(job group "$ids")"
check "the group job failed" test "$(state_of "$(job group "$ids")")" = "JobState=FAILED "
check "it names the participant and its exit code" grep -q "sub-02 is missing (exit code 65)" <<<"$(group_log "$(job group "$ids")")"
check "no group results" test ! -e "$out/group"
ids=$(bids=$broken submit "${options[@]}" --participant-label 01 02 03 --allow-missing --group --n-permutations $n_permutations)
check "only it is submitted again" test "$(find "$out/.slurm" -name 'tasks-*' -exec cat {} + | sort | uniq -c | tr -s ' \n' ' ')" = " 1 01 2 02 1 03 "
wait_for "$(job participant "$ids")" "$(job group "$ids")"
check "with --allow-missing the group level runs on the others" test "$(state_of "$(job group "$ids")")" = "JobState=COMPLETED "

say "Nodes as SLURM jobs, by Nipype"
new_out plugin
env -u LOGNAME "$python" -m bids_rsa.cli "$bids" "$out" participant "${options[@]}" --participant-label 01 02 \
  -w "$scratch/plugin-work" --use-plugin "$root/singularity/slurm_plugin.yml"
check "the nodes ran as jobs" test -n "$(find "$scratch/plugin-work" -name 'slurm-*.out' -print -quit)"
check "same maps as with pip" same_maps "$reference" "$out" 'sub-0[12]/func/*_statmap.nii.gz'
