#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   bundle_test.sh TESSERA
#
# Packs the build that TESSERA belongs to, moves the bundle into a root file system that holds nothing but glibc and a
# shell, and trains and ranks there on two ranks, as another user who can write nothing of it. The oracle is TESSERA
# itself, outside and on one rank: the bits must be the same. With TESSERA_BARE_ROOT=DIR the root is a copy of DIR, such
# as `tools/bare_root.sh --base DIR` leaves.
# Exit status: 0 passed, 1 failed, 64 wrong usage, 77 skipped, with the reason.
set -euo pipefail
[[ $# -eq 1 && -x $1 ]] || { echo "usage: bundle_test.sh TESSERA" >&2; exit 64; }
program=$(readlink -f "$1")
build_dir=$(dirname "$(dirname "$program")")
tools=$(dirname "$(readlink -f "$0")")/../../tools
failures=0

skip() {
  echo "bundle_test.sh: skipped: $*"
  exit 77
}
failed() {
  failures=$((failures + 1))
  echo "FAILED: $*"
}
title() { echo "== $*"; }

[[ $(id -u) -eq 0 ]] || skip "another root file system needs root"
for tool in patchelf zstd unshare mpirun dpkg; do
  command -v "$tool" >/dev/null || skip "no $tool here ('tools/install_dependencies.sh build test' installs it)"
done
why=$(unshare --mount --pid --ipc --fork --kill-child chroot / true 2>&1) ||
  skip "this machine allows no namespaces or chroot: ${why:-no reason given}"

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/tessera-bundle-test.XXXXXX")
chmod 755 "$scratch"
# Mounts live in a namespace of their own and end with it, so this removes only files.
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch"

# refuse STATUS TEXT ARGUMENT...: bundle.sh ends with STATUS and one message that holds TEXT, and leaves nothing behind.
refuse() {
  local status=0 expected=$1 text=$2 before
  shift 2
  before=$(find . | sort)
  "$tools/bundle.sh" "$@" >refused.log 2>&1 || status=$?
  [[ $status -eq $expected ]] || failed "bundle.sh $*: exit status $status, expected $expected"
  [[ $(grep -c '^bundle.sh: ' refused.log) -eq 1 ]] || failed "bundle.sh $*: not one message: $(cat refused.log)"
  grep -qF -e "$text" refused.log || failed "bundle.sh $*: no '$text' in: $(cat refused.log)"
  rm refused.log
  [[ $(find . | sort) == "$before" ]] || failed "bundle.sh $*: something was left behind"
}

title "packing"
"$tools/bundle.sh" --build-dir "$build_dir" --output packed || { echo "FAILED: bundle.sh"; exit 1; }
(cd packed && sha256sum --check --quiet SHA256SUMS) || failed "the checksums"
[[ $(find packed -type f | wc -l) -eq $(($(wc -l <packed/SHA256SUMS) + 1)) ]] || failed "not every file has a checksum"
kib=$(du --apparent-size -sk packed | cut -f1)
[[ $kib -lt $((60 * 1024)) ]] || failed "the folder holds $kib KiB"
for text in libhdf5 libopenmpi libmetis tessera common-licenses/GPL-3; do
  compgen -G "packed/licences/$text*" >/dev/null || failed "no licence text $text"
done
[[ -x packed/bench/first_light.sh ]] || failed "no bench/first_light.sh"
grep -q 'needs Linux .* glibc 2\.[0-9]' packed/MANIFEST || failed "the manifest does not name the glibc"

title "refusals"
refuse 64 "unknown option '--outptu'" --outptu x
refuse 64 "--limit takes a number of MiB, not 'x'" --limit x
refuse 64 "packed' exists" --build-dir "$build_dir" --output packed
refuse 66 "no program 'nowhere/bin/tessera'" --build-dir nowhere
refuse 66 "no program *_gpu_test" --build-dir "$build_dir" --with-tests --output other
refuse 66 "no 'nowhere/FB15k-237/train.tsv'" --build-dir "$build_dir" --data nowhere --output other
refuse 69 "more than the limit of 1" --build-dir "$build_dir" --limit 1 --output other
mv packed.tar.zst archive.tar.zst

title "a bare root"
bare=$scratch/root
if [[ -n ${TESSERA_BARE_ROOT:-} ]]; then
  cp -a --reflink=auto "$TESSERA_BARE_ROOT" "$bare"
else
  mkdir -p "$bare"/{proc,sys,dev,tmp,opt,usr/lib,usr/bin}
  for folder in bin sbin lib lib64; do # links into /usr, as on this machine
    [[ ! -L /$folder ]] || { mkdir -p "$bare/usr/$folder" && ln -s "usr/$folder" "$bare/$folder"; }
  done
  # glibc whole, a shell with what it links to, and readlink.
  { dpkg --listfiles libc6; ldd /bin/sh /usr/bin/readlink | grep -oE '/[^ :]+\.so[^ :]*'; echo /bin/sh; echo /usr/bin/readlink; } |
    sort -u | while read -r file; do
    [[ ! -f $file || $file == /usr/share/* ]] || cp --parents -L "$file" "$bare"
  done
fi
chmod 1777 "$bare/tmp"
found=$(find "$bare" \( -name 'libmpi*' -o -name 'libhdf5*' -o -name 'libmetis*' -o -name 'libhwloc*' -o -name 'libpmix*' \
  -o -name 'libevent*' -o -name 'libgomp*' -o -name 'mpirun*' -o -name 'orte*' \) | head -n 3)
[[ -z $found ]] || failed "this root is not bare: $found"

# in_bare COMMAND...: there, in the folder /data, as nobody.
in_bare() {
  # shellcheck disable=SC2016 # expanded inside
  unshare --mount --pid --ipc --fork --kill-child bash -c '
    set -e
    cd "$1"
    shift
    mount --bind . .
    cd "$PWD"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    exec env -i "$@"' _ "$bare" HOME=/data PATH=/usr/sbin:/usr/bin:/sbin:/bin OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive \
    OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none \
    chroot --userspec=65534:65534 . /bin/sh -c 'cd /data && exec "$@"' _ "$@"
}
digest() { grep -oE "$2 +[0-9a-f]{32}" "$1" | tail -n 1 | grep -oE '[0-9a-f]{32}' || true; }
expect_same() {
  local outside inside
  outside=$(digest "$2" "$1")
  inside=$(digest "$3" "$1")
  [[ -n $outside && $outside == "$inside" ]] || failed "$1: outside '$outside', in the bundle '$inside'"
}

title "outside: the program as it was built, one rank"
mkdir outside "$bare/data"
# 2,000 triples that a model can learn: plus_3 leads from e001 to e004, round a circle of 200 entities.
awk 'BEGIN {
  for (e = 0; e < 200; ++e)
    for (r = 1; r <= 10; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 200
}' >outside/triples.tsv
cat >outside/job.toml <<'TOML'
data.graph = "tiny.kg"
data.parts = 4
run.folder = "run"
model.dim = 32
train.epochs = 5
train.batch_size = 256
negatives.count = 64
TOML
cp outside/triples.tsv outside/job.toml "$bare/data"
chown -R 65534:65534 "$bare/data"
export OMP_NUM_THREADS=1
(
  cd outside
  "$program" import triples.tsv -o tiny.kg >import.log && "$program" partition tiny.kg --parts 4 >partition.log
  "$program" train job.toml >train.log && "$program" evaluate run --split test >evaluate.log
) 2>outside/errors || failed "outside: $(cat outside/errors)"

title "inside: the bundle, moved, two ranks, another user"
mkdir -p "$bare/opt/moved here"
tar -xf archive.tar.zst -C "$bare/opt/moved here"
rm -rf packed
tessera="/opt/moved here/packed/bin/tessera"
ranks=("/opt/moved here/packed/bin/mpirun" -n 2 --oversubscribe --bind-to none "$tessera")
inside() {
  local log=$1
  shift
  in_bare "$@" >"$log" 2>&1 || failed "inside, exit status $?: $* $(cat "$log")"
}
inside version.log "$tessera" --version
[[ $(cat version.log) == "$("$program" --version)" ]] || failed "another version: $(cat version.log)"
inside import.log "$tessera" import triples.tsv -o tiny.kg
inside partition.log "$tessera" partition tiny.kg --parts 4
inside train.log "${ranks[@]}" train job.toml
inside evaluate.log "${ranks[@]}" evaluate run --split test
expect_same "parameter digest" outside/train.log train.log
expect_same "digest of all ranks" outside/evaluate.log evaluate.log
status=0
in_bare "${ranks[@]}" train absent.toml >absent.log 2>&1 || status=$?
[[ $status -eq 66 ]] || failed "a missing job file: exit status $status, expected 66: $(cat absent.log)"
[[ -z $(find "$bare/opt" -newer version.log) ]] || failed "something was written into the bundle"

title "libraries of the site do not come first, and links to the programs work"
mkdir site
echo "no library" >site/libmetis.so.5
ln -s "$bare$tessera" tessera
LD_LIBRARY_PATH=$PWD/site ./tessera --version >version.log 2>&1 || failed "with LD_LIBRARY_PATH: $(cat version.log)"
mkdir "a:colon"
cp -r "$bare/opt/moved here/packed/bin" "a:colon"
status=0
"a:colon/bin/tessera" --version >colon.log 2>&1 || status=$?
[[ $status -eq 69 ]] || failed "a colon in the path: exit status $status, expected 69"
grep -q "has a colon in its name" colon.log || failed "a colon in the path: $(cat colon.log)"

title "tests and benchmark for GPUs: with stand-ins that pass, fail or skip"
mkdir -p gpu/bin
cp "$program" gpu/bin
cp "$(type -P true)" gpu/bin/some_gpu_test
cp "$(type -P echo)" gpu/bin/gpu_bench
"$tools/bundle.sh" --build-dir gpu --with-tests --output gpu-packed >/dev/null || failed "bundle.sh --with-tests"
# expect_tests STATUS TEXT
expect_tests() {
  local status=0
  gpu-packed/bin/gpu_tests >gpu.log 2>&1 || status=$?
  [[ $status -eq $1 ]] || failed "gpu_tests: exit status $status, expected $1: $(cat gpu.log)"
  grep -qx -e "$2" gpu.log || failed "gpu_tests: no '$2' in: $(cat gpu.log)"
}
expect_tests 0 "1 passed, 0 failed"
printf '#!/bin/sh\nexit 3\n' >gpu-packed/libexec/some_gpu_test
expect_tests 1 "0 passed, 1 failed"
printf '#!/bin/sh\nexit 77\n' >gpu-packed/libexec/some_gpu_test
expect_tests 1 "gpu_tests: no test ran on a GPU"

# A gpu_bench that says nothing of use, and a program without CUDA: every row says why it cannot run.
status=0
gpu-packed/bench/run.py gpu --data nowhere >bench.log 2>&1 || status=$?
[[ $status -eq 1 ]] || failed "bench/run.py gpu: exit status $status, expected 1: $(cat bench.log)"
[[ $(grep -c '^  skipped: ' bench.log) -eq 8 ]] || failed "bench/run.py gpu: not every row was skipped: $(cat bench.log)"
[[ $(wc -l <tessera-bench/gpu.jsonl) -eq 8 ]] || failed "bench/run.py gpu: no line for each row"
[[ -z $(find gpu-packed -name '*.pyc') ]] || failed "bench/run.py wrote into the bundle"
# The same, tiny, on the host: with data, the recipes run.
mkdir -p data/WN18RR
for split in train valid test; do cp outside/triples.tsv "data/WN18RR/$split.tsv"; done
gpu-packed/bench/run.py gpu --only wn18rr --smoke --data data >bench.log 2>&1 || failed "bench/run.py --smoke: $(cat bench.log)"

if [[ $failures -gt 0 ]]; then
  echo "$failures expectations failed"
  exit 1
fi
echo "all as expected"
