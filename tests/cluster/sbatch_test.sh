#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests the batch files themselves on a real Slurm of two hosts, with a stand-in for the program that does as it is
# told. What they do with the program's exit status, with signals, launchers and wrong arguments is all theirs.
# Exit status: 0 passed, 1 failed, 77 skipped: no cluster can be started here.
set -euo pipefail
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/cluster_test_lib.sh"
start_cluster 2

# The stand-in: prints what it was given, then leaves with $STANDIN_STATUS. With $STANDIN_WAIT it first waits for USR1
# and leaves with 75, but only once: a resumed run finds the file that the first left behind.
cat >stand-in <<'STANDIN'
#!/usr/bin/env bash
echo "lead ${TESSERA_SIGNAL_LEAD:-none}"
echo "rank ${PMIX_RANK:-${OMPI_COMM_WORLD_RANK:-none}} of ${OMPI_COMM_WORLD_SIZE:-${SLURM_NTASKS:-1}} on $(hostname): $*"
trap 'touch saved; sleep 0.$RANDOM; exit 75' USR1
if [[ -n ${STANDIN_WAIT:-} && ! -e saved ]]; then
  for _ in {1..300}; do sleep 0.1; done
  exit 70
fi
exit "${STANDIN_STATUS:-0}"
STANDIN
chmod +x stand-in
export TESSERA_BIN=$PWD/stand-in
echo "# any job file" >job.toml
small=(--cpus-per-task=1)

title "each batch file starts the program with its arguments"
job=$(submit "${small[@]}" partition job.toml --method random)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^rank none of 1 on c.: partition job.toml --method random$" 1
job=$(submit "${small[@]}" evaluate job.toml --split valid)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^rank [01] of 2 on c[12]: evaluate job.toml --split valid$" 2
job=$(submit "${small[@]}" predict job.toml --queries q.tsv)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^rank [01] of 2 on c[12]: predict job.toml --queries q.tsv$" 2

title "both launchers, and a launch command of one's own"
for launcher in srun mpirun "mpirun --bind-to none --report-bindings"; do
  job=$(TESSERA_LAUNCHER=$launcher submit "${small[@]}" --nodes=2 train job.toml seed=7)
  expect_end "$job" COMPLETED 0:0
  expect_log "$job" "^rank [01] of 2 on c[12]: train job.toml seed=7 --resume$" 2
  expect_log "$job" "on c1:" 1
  expect_log "$job" "on c2:" 1
done

title "a warning ends in 75, a requeue, and a second start that goes on"
for launcher in srun mpirun; do
  rm -f saved
  job=$(STANDIN_WAIT=1 TESSERA_LAUNCHER=$launcher submit "${small[@]}" train job.toml)
  wait_for_log "$job" "on c2:"
  on c1 scancel --batch --signal=USR1 "$job"
  expect_end "$job" COMPLETED 0:0
  expect_log "$job" "restarts: 0" 1
  expect_log "$job" "restarts: 1" 1
done

title "TERM saves, but does not requeue"
rm -f saved
job=$(STANDIN_WAIT=1 submit "${small[@]}" train job.toml)
wait_for_log "$job" "on c2:"
on c1 scancel --batch --signal=TERM "$job"
expect_end "$job" FAILED 75:0
[[ -e saved ]] || failed "the program was not told to save"

title "restarts are limited"
job=$(STANDIN_STATUS=75 TESSERA_MAX_RESTARTS=0 submit "${small[@]}" train job.toml)
expect_end "$job" FAILED 75:0
expect_log "$job" "saved, but not requeued" 1

title "after status 74 it is requeued on request, and not for ever"
job=$(STANDIN_STATUS=74 submit "${small[@]}" train job.toml)
expect_end "$job" FAILED 74:0
expect_log "$job" "restarts: 1" 0
job=$(STANDIN_STATUS=74 TESSERA_MAX_IO_RESTARTS=2 submit "${small[@]}" train job.toml)
expect_end "$job" FAILED 74:0
expect_log "$job" "requeued \([12] of 2\)" 2
expect_log "$job" "not requeued: 2 restarts after status 74 are enough" 1

title "the lead of Slurm's warning reaches the ranks; a --signal of the command line needs TESSERA_SIGNAL_LEAD"
job=$(submit "${small[@]}" train job.toml)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^lead 300$" 2
job=$(TESSERA_SIGNAL_LEAD=1800 submit "${small[@]}" --signal=B:USR1@1800 train job.toml)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^lead 1800$" 2

title "options for the launcher"
job=$(TESSERA_LAUNCHER=mpirun TESSERA_LAUNCH_OPTIONS="--report-bindings -n 1" submit "${small[@]}" train job.toml)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "mpirun --bind-to none --report-bindings -n 1 " 1
expect_log "$job" "^rank 0 of 1 on c" 1

title "other failures are passed on and never requeued"
for file in train evaluate predict partition; do
  job=$(STANDIN_STATUS=65 submit "${small[@]}" "$file" job.toml)
  expect_end "$job" FAILED 65:0
  expect_log "$job" "restarts: 1" 0
done

title "wrong use is one clear message"
job=$(submit "${small[@]}" train)
expect_end "$job" FAILED 64:0
expect_log "$job" "usage: sbatch slurm/train.sbatch JOB.toml" 1
job=$(submit "${small[@]}" evaluate absent.toml)
expect_end "$job" FAILED 66:0
expect_log "$job" "the file 'absent.toml' cannot be read" 1
job=$(TESSERA_BIN=/nowhere/tessera submit "${small[@]}" predict job.toml)
expect_end "$job" FAILED 69:0
expect_log "$job" "'/nowhere/tessera' is no program here; set TESSERA_BIN" 1

title "an edited copy elsewhere needs to know where the shared part is"
mkdir "a copy"
cp "$batch_files/evaluate.sbatch" "a copy/mine.sbatch"
job=$(on c1 sbatch --parsable --output=%j.log "${small[@]}" "a copy/mine.sbatch" job.toml)
expect_end "$job" FAILED 66:0
expect_log "$job" "a copy/launch.sh' cannot be read; set TESSERA_SLURM" 1
job=$(TESSERA_SLURM=$batch_files on c1 sbatch --parsable --output=%j.log "${small[@]}" "a copy/mine.sbatch" job.toml)
expect_end "$job" COMPLETED 0:0
cp "$batch_files/launch.sh" "a copy"
job=$(on c1 sbatch --parsable --output=%j.log "${small[@]}" "a copy/mine.sbatch" job.toml other.sbatch)
expect_end "$job" COMPLETED 0:0

finish
