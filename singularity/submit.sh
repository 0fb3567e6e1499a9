#!/usr/bin/env bash
# One command for a whole dataset on a SLURM cluster: an array with one task per participant, then the group level.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: submit.sh BIDS_DIR OUTPUT_DIR [cluster options] [participant options of bids_rsa] [--group [group options of bids_rsa]]

Submits a SLURM array with one task per participant (those that bids_rsa finds) and a group job that starts after the
array has ended. Prints the job ids, `participant ID` and `group ID`, one a line. Submitted again with the same
options, and files of the same content, it runs only the participants that are not done. Paths in the options are absolute.

Cluster options:
  --image FILE         the .sif to run (default: the bids_rsa on the PATH, installed with pip)
  --cpus N             CPUs of one task (default: 4)
  --mem SIZE           memory of one task, as sbatch knows it (default: 8G)
  --time TIME          time limit of one task (default: 04:00:00)
  --group-cpus N, --group-mem SIZE, --group-time TIME   the same for the group job (default: those of a task)
  --partition NAME, --account NAME, --qos NAME   passed on to sbatch
  --max-running N      tasks that run at once (default: as many as the cluster lets)
  --bind PATH          one more folder to show inside the image (repeatable; that of BIDS_DIR, of OUTPUT_DIR and every
                       existing absolute path among the options are shown already)
  --allow-missing      run the group level although participants are missing
  --no-group           submit no group job
  --dry-run            print what would be submitted
USAGE
}

die() {
  echo "submit.sh: $*" >&2
  exit 2
}

# in a job: `task` and `group` are what the jobs call, `submit` is the user's call
main() {
  case ${1:-} in
    -h | --help | '') usage ;;
    --task) run_task "$2" "$3" ;;
    --finish) run_group "$2" ;;
    *) submit "$@" ;;
  esac
}

submit() {
  [ $# -ge 2 ] || die "BIDS_DIR and OUTPUT_DIR are needed; see --help"
  bids=$(realpath -e -- "$1" 2>/dev/null) || die "BIDS_DIR $1 does not exist"
  out=$(realpath -m -- "$2")
  shift 2
  image='' cpus=4 mem=8G time=04:00:00 group_cpus='' group_mem='' group_time='' max_running=''
  allow_missing=no group=yes dry_run=no site=() binds=() labels=() level_options=() group_options=()
  while [ $# -gt 0 ]; do
    case $1 in
      --image | --cpus | --mem | --time | --group-cpus | --group-mem | --group-time | --partition | --account | --qos | --max-running | --bind)
        [ $# -ge 2 ] || die "$1 needs a value" ;;&
      --image) image=$(realpath -e -- "$2" 2>/dev/null) || die "the image $2 does not exist"; shift ;;
      --cpus) cpus=$2; shift ;;
      --mem) mem=$2; shift ;;
      --time) time=$2; shift ;;
      --group-cpus) group_cpus=$2; shift ;;
      --group-mem) group_mem=$2; shift ;;
      --group-time) group_time=$2; shift ;;
      --partition | --account | --qos) site+=("$1=$2"); shift ;;
      --max-running) max_running=$2; shift ;;
      --bind) binds+=("$2"); shift ;;
      --allow-missing) allow_missing=yes ;;
      --no-group) group=no ;;
      --dry-run) dry_run=yes ;;
      --group) shift; group_options=("$@"); break ;;
      # each task names its own participant
      --participant-label | --participant_label)
        while [ $# -gt 1 ] && [[ $2 != -* ]]; do labels+=("$2"); shift; done ;;
      *) level_options+=("$1") ;;
    esac
    shift
  done
  [ $dry_run = yes ] || command -v sbatch >/dev/null ||
    die "sbatch is not on the PATH: submit on a node of a SLURM cluster, or see what would be submitted with --dry-run"
  write_state
  refuse_while_running
  choose_participants
  submit_jobs
}

# One folder for each different command and content of its files (who is done, the logs), in it one for each submission (what it runs)
write_state() {
  local key
  key=$({
    printf '%s\0' "$bids" "$out" "$image" ${level_options[@]+"${level_options[@]}"}
    option_contents
  } | sha256sum | cut -c1-12)
  state=$out/.slurm/$key
  if [ $dry_run = yes ]; then
    call=$(mktemp -d)
    trap 'rm -r -- "$call"' EXIT
  else
    mkdir -p -- "$state/status" "$state/logs" || exit 73
    call=$(mktemp -d "$state/call-XXXXXX")
  fi
  declare -p bids out image binds level_options group_options allow_missing state > "$call/command"
}

# What the files among the options hold: a changed model makes another command
option_contents() {
  local option path
  for option in ${level_options[@]+"${level_options[@]}"}; do
    for path in "${option#*=}" "${option#*=*=}"; do
      [ -f "$path" ] || path=${path%:*} # --features FILE:METRIC
      [ ! -f "$path" ] || sha256sum < "$path"
    done
  done
}

# two tasks of one participant would work in the same folders
refuse_while_running() {
  local running=''
  [ ! -s "$state/arrays" ] || running=$(squeue -h -o %A -j "$(paste -sd, "$state/arrays")" 2>/dev/null | sort -u | paste -sd' ') || true
  [ -z "$running" ] || die "the same command is still queued or running (job $running): wait until it has ended, or scancel it"
}

choose_participants() {
  local answer name
  app_command participant ${level_options[@]+"${level_options[@]}"} --list-participants \
    ${labels[@]+--participant-label "${labels[@]}"}
  answer=$("${command[@]}") || exit $?
  all=() todo=()
  while IFS= read -r name; do
    [ -n "$name" ] || continue
    name=${name#sub-}
    all+=("$name")
    is_done "$name" || todo+=("$name")
  done <<<"$answer"
  [ ${#all[@]} -gt 0 ] || die "bids_rsa found no participants in $bids"
  printf '%s\n' "${all[@]}" > "$call/participants"
  [ ${#todo[@]} -eq ${#all[@]} ] ||
    echo "$((${#all[@]} - ${#todo[@]})) of ${#all[@]} participants are done and not submitted again." >&2
}

# done: the task ended well, and what it wrote is still there
is_done() {
  [ "$(cat "$state/status/$1" 2>/dev/null)" = 0 ] && [ -d "$out/sub-$1" ]
}

submit_jobs() {
  local common=(--parsable "--chdir=$out" ${site[@]+"${site[@]}"}) ids=() id list slice first
  # a cluster limits the size of one array; more participants are more arrays
  local size
  size=$(scontrol show config 2>/dev/null | awk '$1 == "MaxArraySize" {print $3 - 1}') || true
  size=${size:-1000}
  for ((first = 0; first < ${#todo[@]}; first += size)); do
    slice=("${todo[@]:first:size}")
    list=$call/tasks-$first
    printf '%s\n' "${slice[@]}" > "$list"
    [ $dry_run = yes ] || (cd "$state/status" && rm -f -- "${slice[@]}")
    id=$(sbatch_or_say "${common[@]}" --job-name=bids_rsa "--array=1-${#slice[@]}${max_running:+%$max_running}" \
      "--cpus-per-task=$cpus" "--mem=$mem" "--time=$time" --signal=B:TERM@60 \
      "--output=$state/logs/%A_%a.txt" "${BASH_SOURCE[0]}" --task "$call" "$list")
    echo "participant $id"
    ids+=("${id%%;*}")
  done
  [ $dry_run = yes ] || printf '%s\n' ${ids[@]+"${ids[@]%%;*}"} > "$state/arrays"
  [ $group = yes ] || return 0
  local after=()
  [ ${#ids[@]} -eq 0 ] || after=("--dependency=afterany:$(IFS=:; echo "${ids[*]}")")
  id=$(sbatch_or_say "${common[@]}" --job-name=bids_rsa_group ${after[@]+"${after[@]}"} \
    "--cpus-per-task=${group_cpus:-$cpus}" "--mem=${group_mem:-$mem}" "--time=${group_time:-$time}" \
    --signal=B:TERM@60 "--output=$state/logs/group_%j.txt" "${BASH_SOURCE[0]}" --finish "$call")
  echo "group $id"
  echo "Logs: $state/logs" >&2
}

sbatch_or_say() {
  if [ $dry_run = yes ]; then
    echo "sbatch $*" >&2
    echo 0
  else
    sbatch "$@"
  fi
}

# Sets `command`: the app, from the image or from pip; inside the image every path is the same as outside
app_command() {
  local level=$1 engine path name
  shift
  command=(bids_rsa)
  if [ -n "$image" ]; then
    engine=$(command -v apptainer || command -v singularity) || die "neither apptainer nor singularity is on the PATH"
    command=("$engine" run --cleanenv --containall --pwd /tmp -B "$bids:$bids:ro")
    [ ! -d "$out" ] || command+=(-B "$out:$out") # a dry run makes none
    for path in ${binds[@]+"${binds[@]}"} "$@"; do
      path=${path#*=}
      [[ $path = /* && -e $path ]] && command+=(-B "$path")
    done
    # --cleanenv takes SLURM's variables away: the app learns from these what the task may use
    for name in SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU; do
      [ -z "${!name:-}" ] || export "APPTAINERENV_$name=${!name}" "SINGULARITYENV_$name=${!name}"
    done
    command+=("$image")
  fi
  command+=("$bids" "$out" "$level" "$@")
}

# Runs the app in the background, so that the signal before the time limit reaches it
supervise() {
  local child code=0
  app_command "$@"
  "${command[@]}" &
  child=$!
  trap 'kill -TERM "$child" 2>/dev/null' TERM INT
  wait "$child" || code=$?
  # a trapped signal ends the first wait before the app has ended
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  return $code
}

run_task() {
  local code=0 label
  # shellcheck source=/dev/null
  . "$1/command"
  label=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$2")
  echo "sub-$label on $(hostname), $(date)"
  supervise participant ${level_options[@]+"${level_options[@]}"} --participant-label "$label" || code=$?
  echo $code > "$state/status/.$label.$$" && mv "$state/status/.$label.$$" "$state/status/$label"
  exit $code
}

run_group() {
  # shellcheck source=/dev/null
  . "$1/command"
  local label code missing=()
  while IFS= read -r label; do
    is_done "$label" && continue
    code=$(cat "$state/status/$label" 2>/dev/null || echo 'none: it did not end by itself, or its output is gone')
    missing+=("sub-$label")
    echo "sub-$label is missing (exit code $code)." >&2
  done < "$1/participants"
  if [ ${#missing[@]} -gt 0 ] && [ "$allow_missing" = no ]; then
    echo "${#missing[@]} participants are missing, so the group level is not run: ${missing[*]}." >&2
    echo "Their logs are in $state/logs. Submit again to run them, or with --allow-missing to leave them out." >&2
    exit 1
  fi
  supervise group ${group_options[@]+"${group_options[@]}"}
}

main "$@"
