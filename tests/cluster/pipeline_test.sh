#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   pipeline_test.sh TESSERA
#
# Takes a small graph through all four batch files on a real Slurm of two hosts: partition, train under both launchers,
# through a requeue and from a bundle, evaluate, predict. The oracle of the parameters and ranks is one process on one
# host: both must have the same digest however they were made.
# Exit status: 0 passed, 1 failed, 64 wrong usage, 77 skipped: no cluster can be started here.
set -euo pipefail
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/cluster_test_lib.sh"
[[ $# -eq 1 && -x $1 ]] || { echo "usage: pipeline_test.sh TESSERA" >&2; exit 64; }
TESSERA_BIN=$(readlink -f "$1")
export TESSERA_BIN
start_cluster 2

# 2,000 triples that a model can learn: plus_3 leads from e001 to e004, round a circle of 200 entities.
awk 'BEGIN {
  for (e = 0; e < 200; ++e)
    for (r = 1; r <= 10; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 200
}' >triples.tsv
cat >job.toml <<'TOML'
[data]
graph = "tiny.kg"
parts = 4
[run]
folder = "run"
[model]
dim = 32
[train]
epochs = 30
batch_size = 256
[negatives]
count = 64
[validate]
every = 10
TOML
printf 'e001\tplus_3\ne100\tplus_7\n' >queries.tsv
small=(--cpus-per-task=1)

digest() { grep -oE 'parameter digest +[0-9a-f]{32}' "$1" | tail -n 1 | grep -oE '[0-9a-f]{32}' || true; }
ranks_digest() { grep -oE 'digest of all ranks [0-9a-f]{32}' "$1" | tail -n 1 | grep -oE '[0-9a-f]{32}' || true; }
expect_same() {
  if [[ -z $2 || $2 != "$3" ]]; then failed "$1: '$3', expected '$2'"; fi
}

title "import"
on c1 "$TESSERA_BIN" import triples.tsv -o tiny.kg >import.log 2>&1 || failed "import: $(cat import.log)"

title "partition.sbatch"
job=$(submit "${small[@]}" partition job.toml)
expect_end "$job" COMPLETED 0:0
on c2 "$TESSERA_BIN" info tiny.kg/parts-4 >info.log 2>&1 || failed "info: $(cat info.log)"

title "the oracle: one process on one host"
on c1 "$TESSERA_BIN" train job.toml run.folder=alone >alone.log 2>&1 || failed "train alone: $(cat alone.log)"
on c1 "$TESSERA_BIN" evaluate alone --split test >alone-ranks.log 2>&1 || failed "evaluate: $(cat alone-ranks.log)"

title "train.sbatch on two hosts, with srun and with mpirun"
job=$(TESSERA_LAUNCHER=srun submit "${small[@]}" --nodes=2 train job.toml)
expect_end "$job" COMPLETED 0:0
expect_same "parameters with srun" "$(digest alone.log)" "$(digest "$job.log")"
job=$(TESSERA_LAUNCHER=mpirun submit "${small[@]}" --nodes=2 train job.toml run.folder=run-mpirun)
expect_end "$job" COMPLETED 0:0
expect_same "parameters with mpirun" "$(digest alone.log)" "$(digest "$job.log")"

title "train.sbatch, warned half-way: saved, requeued, continued to the same bits"
on c1 "$TESSERA_BIN" train job.toml run.folder=alone-long train.epochs=400 validate.every=0 >alone-long.log 2>&1 ||
  failed "train alone: $(tail -n 20 alone-long.log)"
job=$(submit "${small[@]}" train job.toml run.folder=run-requeued train.epochs=400 validate.every=0)
wait_for_log "$job" "epoch 2 of"
on c1 scancel --batch --signal=USR1 "$job"
expect_end "$job" COMPLETED 0:0
expect_log "$job" "restarts: 1" 1
expect_same "parameters after a requeue" "$(digest alone-long.log)" "$(digest "$job.log")"

title "train.sbatch on two hosts from a bundle with its own Open MPI, in a folder with a space"
if command -v patchelf >/dev/null; then
  bundle="$PWD/a bundle"
  build_dir=$(dirname "$(dirname "$TESSERA_BIN")")
  "$here/../../tools/bundle.sh" --build-dir "$build_dir" --limit 1000 --output "$bundle" >bundle.log 2>&1 ||
    failed "bundle.sh: $(cat bundle.log)"
  for launcher in srun mpirun; do
    job=$(PATH="$bundle/bin:$PATH" TESSERA_BIN=tessera TESSERA_LAUNCHER=$launcher \
      submit "${small[@]}" --nodes=2 train job.toml run.folder="run-bundle-$launcher")
    expect_end "$job" COMPLETED 0:0
    expect_same "parameters from a bundle with $launcher" "$(digest alone.log)" "$(digest "$job.log")"
  done
else
  echo "left out: no patchelf here ('tools/install_dependencies.sh test' installs it)"
fi

title "evaluate.sbatch"
job=$(submit "${small[@]}" evaluate job.toml --split test)
expect_end "$job" COMPLETED 0:0
expect_same "ranks" "$(ranks_digest alone-ranks.log)" "$(ranks_digest "$job.log")"
[[ -s run/evaluation-test.h5 ]] || failed "run/evaluation-test.h5 is missing"

title "predict.sbatch"
job=$(submit "${small[@]}" predict job.toml --queries queries.tsv -k 3)
expect_end "$job" COMPLETED 0:0
expect_log "$job" "^ +1 +e004 .*known" 1
expect_log "$job" "^ +1 +e107 .*known" 1

title "info on what was written"
on c2 "$TESSERA_BIN" info run >info.log 2>&1 || failed "info: $(cat info.log)"

title "a mistake in the job ends with its message and exit status"
job=$(submit "${small[@]}" train job.toml model.dimm=32)
expect_end "$job" FAILED 64:0
expect_log "$job" "did you mean 'model.dim'" 1
job=$(submit "${small[@]}" --nodes=2 evaluate job.toml run.folder=absent)
expect_end "$job" FAILED 66:0
expect_log "$job" "run folder 'absent' of job file 'job.toml' does not exist" 1

finish
