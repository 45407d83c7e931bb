#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   gpu_test.sh TESSERA DEVICE_CHOICE_PROGRAM
#
# Tests slurm/train_gpu.sbatch on a real Slurm of two hosts with four GPUs each, which Slurm hands out and which nothing can
# compute on: that the job gets them, that every rank sees those of its host and takes one of its own, that a binding which
# hides them is warned of, and what the program answers where there is no GPU after all.
# Exit status: 0 passed, 1 failed, 64 wrong usage, 77 skipped: no cluster can be started here.
set -euo pipefail
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/cluster_test_lib.sh"
[[ $# -eq 2 && -x $1 && -x $2 ]] || { echo "usage: gpu_test.sh TESSERA DEVICE_CHOICE_PROGRAM" >&2; exit 64; }
tessera=$(readlink -f "$1")
TESSERA_DEVICE_CHOICE=$(readlink -f "$2")
export TESSERA_DEVICE_CHOICE
export TESSERA_CLUSTER_GPUS=4 TESSERA_CLUSTER_CPUS=4
start_cluster 2

# The stand-in: prints what each rank was given, and which device it takes of a host of four.
cat >stand-in <<'STANDIN'
#!/usr/bin/env bash
echo "on $(hostname): $*; visible: ${CUDA_VISIBLE_DEVICES-all}"
# Shared memory of several ranks of a host now and then fails in Open MPI's start under srun on these hosts.
OMPI_MCA_btl=tcp,self exec "$TESSERA_DEVICE_CHOICE" 4
STANDIN
chmod +x stand-in
echo "# any job file" >job.toml
small=(--cpus-per-task=1)

# launch SUBMIT [ARGUMENT...]: submits with that command until the ranks have started, three times at most; prints the job id.
# Of eight ranks on a busy machine one now and then crashes inside MPI_Init, before the program has done anything: that is
# Open MPI's start, not what is tested here. What crashes later crashes every time, and fails.
launch() {
  local job
  for _ in 1 2 3; do
    job=$("$@")
    for _ in {1..240}; do
      if ended_job "$job" >/dev/null; then break; fi
      sleep 0.5
    done
    grep -q 'Process received signal' "$job.log" 2>/dev/null || break
    echo "job $job: a rank crashed in its start; see its log" >&2
  done
  echo "$job"
}

# submit_file FILE SBATCH-OPTION... JOB.toml
submit_file() { on c1 sbatch --parsable --output=%j.log --time=30 "${@:2:$#-2}" "$1" "${@: -1}"; }

# expect_devices JOB RANKS DEVICES VISIBLE: on each host, device i of VISIBLE is taken by exactly RANKS/DEVICES ranks.
expect_devices() {
  local host device
  for host in c1 c2; do
    for ((device = 0; device < $3; ++device)); do
      expect_log "$1" "^rank [0-9]+ on $host takes device $device of $4$" $(($2 / $3))
    done
  done
  expect_log "$1" "takes device" $((2 * $2))
}

title "as it is, with both launchers: all GPUs of two whole nodes, a rank for each, none hidden"
for launcher in srun mpirun; do
  job=$(TESSERA_BIN=$PWD/stand-in TESSERA_LAUNCHER=$launcher launch submit "${small[@]}" train_gpu job.toml seed=7)
  expect_end "$job" COMPLETED 0:0
  on c1 scontrol show job --details "$job" >"$job.details"
  grep -q 'JOB_GRES=gpu:8$' "$job.details" || failed "job $job did not get two times four GPUs: $(cat "$job.details")"
  grep -q 'NumNodes=2 .*NumTasks=8' "$job.details" || failed "job $job: not 8 tasks on 2 nodes: $(cat "$job.details")"
  expect_log "$job" "^on c[12]: train job.toml run.device=cuda seed=7 --resume; visible: (all|0,1,2,3)$" 8
  expect_devices "$job" 4 4 4
  expect_log "$job" "warning" 0
done

title "fewer ranks than GPUs"
job=$(TESSERA_BIN=$PWD/stand-in TESSERA_LAUNCHER=mpirun launch submit "${small[@]}" --ntasks-per-node=2 train_gpu job.toml)
expect_end "$job" COMPLETED 0:0
for rank in 0 2; do expect_log "$job" "^rank $rank on c. takes device 0 of 4$" 1; done
for rank in 1 3; do expect_log "$job" "^rank $rank on c. takes device 1 of 4$" 1; done
expect_log "$job" "takes device" 4

title "a part of each node: a copy without the line of whole nodes, and two ranks for each GPU"
grep -v '^#SBATCH --exclusive' "$batch_files/train_gpu.sbatch" >part.sbatch
export TESSERA_SLURM=$batch_files
for launcher in srun mpirun; do
  job=$(TESSERA_BIN=$PWD/stand-in TESSERA_LAUNCHER=$launcher launch submit_file part.sbatch "${small[@]}" --gpus-per-node=2 job.toml)
  expect_end "$job" COMPLETED 0:0
  expect_log "$job" "visible: 0,1$" 8
  expect_devices "$job" 4 2 2
  expect_log "$job" "warning" 0
done

title "a binding that hides devices: each host says so once, and names the flag"
job=$(TESSERA_BIN=$PWD/stand-in TESSERA_LAUNCHER=srun launch submit "${small[@]}" --gpu-bind=single:1 train_gpu job.toml)
expect_end "$job" COMPLETED 0:0
for device in 0 1 2 3; do expect_log "$job" "visible: $device$" 2; done
expect_devices "$job" 4 1 1
expect_log "$job" "^warning of c[12]: .* see 1 of the 4 devices .*--gpu-bind=none" 2
expect_log "$job" "^warning of c2" 1

title "what cannot be is refused"
if on c1 sbatch --gpus-per-node=5 "${small[@]}" "$batch_files/train_gpu.sbatch" job.toml >refused.log 2>&1; then
  failed "five GPUs of four were granted: $(cat refused.log)"
fi
job=$(TESSERA_BIN=$PWD/stand-in submit_file part.sbatch "${small[@]}" --gpus-per-node=0 job.toml)
expect_end "$job" FAILED 64:0
expect_log "$job" "train_gpu.sbatch: this job has no GPUs; submit with --gpus-per-node" 1
expect_log "$job" "takes device" 0

title "the program where there is no GPU: one plain message in the job's log, 64, no requeue"
awk 'BEGIN {
  for (e = 0; e < 200; ++e)
    for (r = 1; r <= 10; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 200
}' >triples.tsv
printf '[data]\ngraph = "tiny.kg"\nparts = 8\n[run]\nfolder = "run"\n[train]\nepochs = 1\n' >job.toml
on c1 "$tessera" import triples.tsv -o tiny.kg >import.log 2>&1 || failed "import: $(cat import.log)"
on c1 "$tessera" partition tiny.kg --parts 8 >partition.log 2>&1 || failed "partition: $(cat partition.log)"
for launcher in srun mpirun; do
  job=$(TESSERA_BIN=$tessera TESSERA_LAUNCHER=$launcher launch submit "${small[@]}" --ntasks-per-node=1 train_gpu job.toml)
  expect_end "$job" FAILED 64:0
  expect_log "$job" "restarts: " 1
  expect_log "$job" "tessera: .*(built without CUDA|no device: )" 1
done

finish
