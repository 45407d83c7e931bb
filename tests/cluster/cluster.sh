#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
# How it works: the "world" is the first process of a pid namespace whose network holds only a bridge. Each host is a
# child of it with its own network (a veth into the bridge), mount, UTS and IPC namespace. Killing the world takes
# everything with it, and the machine's own network is never touched.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: cluster.sh up HOSTS [PID]    start a Slurm of 1 to 16 hosts; print the folder that holds its state;
                                    with PID it goes down when that process ends, however it ends
       cluster.sh run HOST CMD...   run a command on a host, in the current folder
       cluster.sh cut HOST          unplug a host from the network
       cluster.sh slow HOST         both directions of its link carry 4 Mbit/s, with 50 ms of waiting
       cluster.sh lossy HOST        its link drops packets of both directions whenever more than a few come at once
       cluster.sh heal HOST         plug it in again, and let it be as fast as it was
       cluster.sh lose HOST         the host is gone: its link is cut and its processes are killed, for good
       cluster.sh logs              the last lines of every daemon's log
       cluster.sh down              stop everything and remove the folder

A real Slurm, with munge and PMIx, whose hosts c1, c2, ... are namespaces of this machine. Hosts share its file
system but have their own network, host name, shared memory and $TMPDIR. Root only.

All but `up` need the folder that `up` printed:  export TESSERA_CLUSTER_DIR=$(cluster.sh up 2)
TESSERA_CLUSTER_CPUS (default 2) is how many CPUs each host claims to have, TESSERA_CLUSTER_GPUS (0 to 4, default 0) how many
GPUs: Slurm hands them out as it does real ones, but nothing can compute on them.

exit status: 64 wrong usage, 70 the cluster did not come up, 77 this machine cannot do it (the reason is printed);
`run` passes on the status of its command
TEXT
}

die() {
  echo "cluster.sh: $2" >&2
  exit "$1"
}

# --- checks -----------------------------------------------------------------------------------------------------

check_machine() {
  [[ $(id -u) -eq 0 ]] || die 77 "skipped: network namespaces need root"
  local tool missing=() why
  for tool in slurmctld slurmd sbatch srun munged mpirun ip unshare nsenter setsid; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [[ ${#missing[@]} -eq 0 ]] ||
    die 77 "skipped: not found: ${missing[*]} ('tools/install_dependencies.sh cluster' installs them)"
  [[ $(stat -c %d:%i /) == "$(nsenter --mount=/proc/self/ns/mnt stat -c %d:%i /)" ]] ||
    die 77 "skipped: in a chroot, and entering a namespace would leave it"
  why=$(unshare --net --mount --uts --ipc --pid --fork --mount-proc \
    sh -c 'ip link add name br0 type bridge && ip link add name v0 type veth peer name v1' 2>&1) ||
    die 77 "skipped: this machine allows no namespaces, bridges or veth pairs: ${why:-no reason given}"
}

need_cluster() {
  [[ -n ${TESSERA_CLUSTER_DIR:-} ]] || die 64 "TESSERA_CLUSTER_DIR is not set; 'cluster.sh up' prints its value"
  dir=$TESSERA_CLUSTER_DIR
  [[ -s $dir/world.pid ]] || die 64 "there is no cluster in '$dir'"
}

need_host() {
  [[ -n ${1:-} && -s $dir/pids/$1 ]] || die 64 "no host '${1:-}'; the hosts are: $(cd "$dir/pids" && echo *)"
}

# --- inside -----------------------------------------------------------------------------------------------------

# The first process of the world: starts the hosts, then reaps what they leave behind.
world() {
  ip link set lo up
  ip link add name br0 type bridge
  ip link set br0 up
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
    --log-file="$dir/log/munged" --seed-file="$dir/munge/seed"
  local i
  for i in $(seq "$1"); do
    unshare --net --mount --uts --ipc "$self" _host "$dir" "c$i" "10.77.0.$i" >"$dir/log/c$i" 2>&1 &
  done
  while :; do
    sleep 60 &
    wait "$!"
  done
}

# The life of one host. Process 1 is the world.
host() {
  local name=$1 address=$2
  echo "$name" >/proc/sys/kernel/hostname
  mount --bind "$dir/hosts" /etc/hosts
  mount --bind "$dir/tmp/$name" "$dir/local"
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  ip link set lo up
  ip link add name eth0 type veth peer name "v-$name" netns 1
  ip address add "$address/24" dev eth0
  ip link set eth0 up
  nsenter --target 1 --net ip link set "v-$name" master br0 up
  [[ $name != c1 ]] || slurmctld -f "$SLURM_CONF"
  echo "$$" >"$dir/pids/$name"
  slurmd -D -N "$name" -f "$SLURM_CONF"
}

export_environment() {
  export SLURM_CONF=$dir/etc/slurm.conf TMPDIR=$dir/local
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_MCA_btl_vader_single_copy_mechanism=none # what containers forbid
  export PMIX_MCA_gds=hash # its tables in memory that the ranks of a host share are not sound at every start
  export OMP_WAIT_POLICY=passive OMPI_MCA_mpi_yield_when_idle=1 # the hosts share this machine's cores
}

write_configuration() {
  local i nodes='' gres=''
  mkdir -p "$dir"/{etc,local,log,munge,pids,spool,state}
  if [[ $gpus -gt 0 ]]; then
    local devices=(/dev/null /dev/zero /dev/full /dev/random) # any device files do
    gres=Gres=gpu:$gpus
    echo "Name=gpu File=$(IFS=, && echo "${devices[*]:0:gpus}")" >"$dir/etc/gres.conf"
  fi
  echo "127.0.0.1 localhost" >"$dir/hosts"
  for i in $(seq "$1"); do
    echo "10.77.0.$i c$i" >>"$dir/hosts"
    nodes+="NodeName=c$i NodeAddr=10.77.0.$i CPUs=${TESSERA_CLUSTER_CPUS:-2} RealMemory=4000 $gres State=UNKNOWN"$'\n'
    mkdir -p "$dir/tmp/c$i"
  done
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
  # Keeps slurmd from looking for a mounted cgroup file system; nothing here uses cgroups.
  echo "CgroupPlugin=cgroup/v1" >"$dir/etc/cgroup.conf"
  cat >"$dir/etc/slurm.conf" <<CONF
ClusterName=tessera
SlurmctldHost=c1(10.77.0.1)
SlurmUser=root
AuthType=auth/munge
# A requeued job starts after cred_expire + 1 seconds; the default is two minutes.
AuthInfo=socket=$dir/munge/socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
TmpFS=$dir/local
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/slurmd.%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/jobcomp.txt
MpiDefault=pmix
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdTimeout=15
${gres:+GresTypes=gpu}
${nodes}PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

# --- from outside -----------------------------------------------------------------------------------------------

# Runs a command in the world; its network is the switch.
in_world() {
  local ns
  ns=/proc/$(cat "$dir/world.pid")/ns
  nsenter --pid="$ns/pid_for_children" --mount="$ns/mnt" --net="$ns/net" -- "$@"
}

in_host() {
  local name=$1
  shift
  # shellcheck disable=SC2016 # expanded on the host
  in_world nsenter --target "$(cat "$dir/pids/$name")" --net --mount --uts --ipc -- \
    bash -c 'cd "$1" && shift && exec "$@"' _ "$PWD" "$@"
}

is_alive() { [[ $(cat "/proc/$(cat "$dir/world.pid")/comm" 2>/dev/null) == unshare ]]; }

all_idle() {
  [[ $(find "$dir/pids" -type f | wc -l) -eq $1 ]] || return 1
  [[ $(in_host c1 sinfo --noheader --Node --format=%T 2>/dev/null | grep -cx idle) -eq $1 ]]
}

stop_world() {
  local pid
  pid=$(cat "$dir/world.pid" 2>/dev/null) || return 0
  ! is_alive || kill -KILL "$pid"
  for _ in {1..100}; do
    [[ -e /proc/$pid ]] || break
    sleep 0.05
  done
}

logs() { tail -n 10 "$dir"/log/* 2>/dev/null || true; }

up() {
  [[ ${1:-} =~ ^([1-9]|1[0-6])$ ]] || die 64 "up takes the number of hosts, 1 to 16"
  gpus=${TESSERA_CLUSTER_GPUS:-0}
  [[ $gpus =~ ^[0-4]$ ]] || die 64 "TESSERA_CLUSTER_GPUS is 0 to 4, not '$gpus'"
  check_machine
  dir=$(mktemp -d "${TMPDIR:-/tmp}/tessera-cluster.XXXXXX")
  chmod 755 "$dir"
  trap 'logs >&2; stop_world; rm -rf "$dir"' EXIT
  trap 'exit 130' INT TERM
  write_configuration "$1"
  export_environment
  setsid unshare --net --mount --pid --fork --kill-child --mount-proc "$self" _world "$dir" "$1" \
    </dev/null >"$dir/log/world" 2>&1 &
  echo "$!" >"$dir/world.pid"
  for _ in {1..150}; do
    sleep 0.2
    if all_idle "$1"; then
      trap - EXIT INT TERM
      if [[ -n ${2:-} ]]; then
        setsid "$self" _guard "$dir" "$2" </dev/null >/dev/null 2>&1 &
      fi
      echo "$dir"
      return
    fi
    is_alive || die 70 "the cluster ended while it started; its logs are above"
  done
  die 70 "the cluster was not ready after 30 seconds; its logs are above"
}

guard() {
  while is_alive; do
    kill -0 "$1" 2>/dev/null || down
    sleep 1
  done
}

# A neighbour that was away is remembered as such for seconds; forget that.
forget_neighbours() {
  local name
  for name in $(cd "$dir/pids" && echo *); do in_host "$name" ip neighbour flush all; done
}

# shape HOST TBF-ARGUMENT...: a token bucket in front of both ends of its link.
shape() {
  local name=$1
  shift
  in_world tc qdisc replace dev "v-$name" root tbf "$@"
  in_host "$name" tc qdisc replace dev eth0 root tbf "$@"
}

heal() {
  in_world ip link set "v-$1" up
  in_world tc qdisc delete dev "v-$1" root 2>/dev/null || true
  in_host "$1" tc qdisc delete dev eth0 root 2>/dev/null || true
  forget_neighbours
}

lose() {
  local process space
  in_world ip link set "v-$1" down
  space=$(in_host "$1" readlink /proc/self/ns/net)
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/ns/net") != "$space" ]] || kill -KILL "${process#/proc/}" 2>/dev/null || true
  done
}

down() {
  stop_world
  # The last processes of the world may still be writing while the kernel ends them.
  for _ in {1..50}; do
    rm -rf "$dir" 2>/dev/null && return
    sleep 0.1
  done
  die 70 "'$dir' could not be removed"
}

self=$(readlink -f "$0")
command=${1:-}
[[ $# -eq 0 ]] || shift
case $command in
  up) up "$@" ;;
  run)
    need_cluster
    need_host "${1:-}"
    export_environment
    in_host "$@"
    ;;
  cut)
    need_cluster
    need_host "${1:-}"
    in_world ip link set "v-$1" down
    ;;
  slow | lossy | heal | lose)
    need_cluster
    need_host "${1:-}"
    case $command in
      slow) shape "$1" rate 4mbit burst 16kb latency 50ms ;;
      lossy) shape "$1" rate 40mbit burst 4kb limit 6kb ;;
      *) "$command" "$1" ;;
    esac
    ;;
  logs) need_cluster && logs ;;
  down) need_cluster && down ;;
  _world | _host | _guard)
    dir=$1
    shift
    "${command#_}" "$@"
    ;;
  --help | -h | help) usage ;;
  *)
    usage >&2
    exit 64
    ;;
esac
