#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# What the batch files of this folder share. slurm/README.md explains the settings.

die() {
  echo "$batch_file: $2" >&2
  exit "$1"
}

# prepare FILE USAGE [ARGUMENT...]: checks what the batch file FILE was given; sets batch_file and tessera.
prepare() {
  batch_file=$1
  tessera=${TESSERA_BIN:-tessera}
  [[ $# -gt 2 ]] || die 64 "usage: sbatch slurm/$1 $2"
  [[ -r $3 ]] || die 66 "the file '$3' cannot be read in $PWD"
  command -v "$tessera" >/dev/null || die 69 "'$tessera' is no program here; set TESSERA_BIN"
  # srun does not pass --cpus-per-task on by itself since Slurm 22.05.
  export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
}

# Sets launch: what comes before the program to start its ranks.
choose_launcher() {
  local launcher=${TESSERA_LAUNCHER:-}
  if [[ -z $launcher ]]; then
    if [[ $(srun --mpi=list 2>&1) == *pmix* ]]; then launcher=srun; else launcher=mpirun; fi
  fi
  case $launcher in
    srun) launch=(srun --mpi=pmix --cpu-bind=cores --kill-on-bad-exit=0) ;;
    mpirun) launch=(mpirun --bind-to none) ;;
    *) read -ra launch <<<"$launcher" ;;
  esac
  local options
  read -ra options <<<"${TESSERA_LAUNCH_OPTIONS:-}"
  launch+=("${options[@]}")
}

# run_alone COMMAND ARGUMENT...: one process.
run_alone() {
  echo "$(date +%FT%T) $tessera $* (job $SLURM_JOB_ID)"
  exec "$tessera" "$@"
}

# run_ranks COMMAND ARGUMENT...: all ranks.
run_ranks() {
  choose_launcher
  echo "$(date +%FT%T) ${launch[*]} $tessera $* (job $SLURM_JOB_ID)"
  exec "${launch[@]}" "$tessera" "$@"
}

# Exports how many seconds before its end Slurm warns this job, as its batch file says; the program compares that with what it
# measures. Slurm tells nobody about a --signal of the command line.
export_lead() {
  local lead=${TESSERA_SIGNAL_LEAD:-$(sed -n 's/^#SBATCH.*--signal=[^ ]*@\([0-9]*\).*/\1/p' "$0" | head -n 1)}
  [[ -z $lead ]] || export TESSERA_SIGNAL_LEAD=$lead
}

# job_field NAME: of this job, as scontrol shows it.
job_field() { scontrol show job "$SLURM_JOB_ID" | grep -oE "\b$1=[^ ]*" | head -n 1 | cut -d= -f2-; }

# train_ranks ARGUMENT...: trains until it is done, or saves and requeues the job. USR1 is Slurm's warning; both launchers
# forward it, and the ranks save and leave with 75. TERM comes from a person or from preemption: save as well, but leave it
# to them whether the job runs again.
train_ranks() {
  choose_launcher
  export_lead
  step='' interrupted='' terminated=''
  trap save USR1
  trap 'terminated=yes; save' TERM
  echo "$(date +%FT%T) ${launch[*]} $tessera train $* (job $SLURM_JOB_ID, restarts: ${SLURM_RESTART_COUNT:-0})"
  "${launch[@]}" "$tessera" train "$@" --resume &
  step=$!
  local status=0
  while :; do # a trap ends `wait` early
    interrupted=''
    if wait "$step"; then status=0; else status=$?; fi
    [[ -n $interrupted ]] || break
  done
  if [[ -z $terminated ]]; then
    case $status in
      74) requeue_after_io_error ;;
      75) requeue 75 saved ;;
    esac
  fi
  exit "$status"
}

# shellcheck disable=SC2317 # called by the traps
save() {
  interrupted=yes
  local end
  end=$(date -d "$(job_field EndTime)" +%s 2>/dev/null) || end=
  echo "$(date +%FT%T) asked to save${end:+, $((end - $(date +%s))) s before the time limit}"
  [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null || true
}

# A disk or network that fails may be whole again on other nodes. The log counts how often it was tried.
requeue_after_io_error() {
  local most=${TESSERA_MAX_IO_RESTARTS:-0} tried
  ((most > 0)) || return 0
  tried=$(grep -c '^train: status 74, requeued' "$(job_field StdOut)" 2>/dev/null) || tried=${tried:-${SLURM_RESTART_COUNT:-0}}
  ((tried < most)) || die 74 "not requeued: $tried restarts after status 74 are enough (TESSERA_MAX_IO_RESTARTS)"
  echo "train: status 74, requeued ($((tried + 1)) of $most)"
  requeue 74 "status 74"
}

# requeue STATUS WHY: STATUS is that of the job if it is not queued again.
requeue() {
  local restarts=${SLURM_RESTART_COUNT:-0} most=${TESSERA_MAX_RESTARTS:-50}
  ((restarts < most)) || die "$1" "$2, but not requeued: $restarts restarts are enough (TESSERA_MAX_RESTARTS)"
  scontrol requeue "$SLURM_JOB_ID" || die "$1" "$2, but Slurm does not requeue this job; submit it again to go on"
  sleep 60 # Slurm ends the batch file here
}
