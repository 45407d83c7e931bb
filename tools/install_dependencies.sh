#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/install_dependencies.sh [--no-install] [GROUP...]

Installs with apt the Debian 12 / Ubuntu 24.04 packages that are missing, as root or through sudo. It says what it
installs, asks nothing, and returns at once when everything is there.

groups (default: build)
  build     what it takes to build and run Tessera, with WordNet for the quickstart
  test      numpy, h5py and the HDF5 tools for test oracles; clang-format, clang-tidy, shellcheck; patchelf for bundles
  cluster   a Slurm of several hosts on one machine, for the cluster tests
  mpich     MPICH beside Open MPI, for tests/mpich.sh

options
  --no-install   install nothing; list what is missing
  --help         this text

With CMAKE_PREFIX_PATH set (a Spack view, environment modules) --no-install only notes what apt does not know of:
CMake is then the judge.

exit status: 0 all is there, 64 wrong usage, 69 packages are missing and were not installed
TEXT
}

packages_of() {
  case $1 in
    build)
      echo g++ cmake ninja-build ccache pkg-config git ca-certificates python3 \
        libopenmpi-dev openmpi-bin libhdf5-dev libmetis-dev libhwy-dev librandom123-dev \
        libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libspdlog-dev libfmt-dev \
        libzstd-dev zlib1g-dev libxxhash-dev libserd-dev libraptor2-dev libgtest-dev libgmock-dev libbenchmark-dev \
        wordnet-base zstd
      ;;
    test)
      echo python3-numpy python3-h5py python3-yaml hdf5-tools clang-format-14 clang-tidy-14 libomp-14-dev shellcheck patchelf
      ;;
    cluster)
      # Slurm opens libpmix.so by its development name.
      echo slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins libpmix-dev openmpi-bin \
        iproute2 util-linux procps
      ;;
    mpich) echo mpich libmpich-dev ;;
    *) return 1 ;;
  esac
}

die() {
  echo "install_dependencies.sh: $2" >&2
  exit "$1"
}

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install=yes
groups=()
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; die 64 "unknown option '$argument'" ;;
    *)
      packages_of "$argument" >/dev/null || die 64 "unknown group '$argument'; the groups are: build test cluster mpich"
      groups+=("$argument")
      ;;
  esac
done
[[ ${#groups[@]} -gt 0 ]] || groups=(build)

if ! command -v dpkg-query >/dev/null; then
  [[ $install == no ]] || die 69 "not Debian or Ubuntu: install the libraries of Spack.yaml, then use --no-install"
  echo "install_dependencies.sh: no dpkg here, so nothing was checked; CMake names what it misses" >&2
  exit 0
fi

missing=()
for group in "${groups[@]}"; do
  for package in $(packages_of "$group"); do
    is_installed "$package" || missing+=("$package")
  done
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $install == no ]]; then
  if [[ -n ${CMAKE_PREFIX_PATH:-} ]]; then
    echo "install_dependencies.sh: not installed by apt, expected under CMAKE_PREFIX_PATH: ${missing[*]}" >&2
    exit 0
  fi
  die 69 "missing packages (--no-install was given): ${missing[*]}"
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || die 69 "neither root nor sudo; ask an administrator to install: ${missing[*]}"
  as_root=(sudo)
fi
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }

apt_get update >/dev/null || echo "install_dependencies.sh: 'apt-get update' failed; using the lists at hand" >&2
echo "Installing ${#missing[@]} packages (groups: ${groups[*]}): ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt_get install --yes --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  tail -n 25 "$log" >&2
  die 69 "apt could not install: ${missing[*]}"
fi
