#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/bare_root.sh [--base DIR] [--] COMMAND...

Runs COMMAND as root in a fresh, minimal installation of this machine's Debian or Ubuntu release, in a clone of the
project's last commit (the folder /src). It shows that the project needs nothing that it does not install itself:

  tools/bare_root.sh --base /var/tmp/bare -- ./jobs/quickstart.sh
  tools/bare_root.sh --base /var/tmp/bare -- sh -c './jobs/quickstart.sh && ./jobs/quickstart.sh'

Needs root and debootstrap. Mirrors and proxies are those of this machine's apt.

options
  --base DIR      keep the installation in DIR and start from it the next time; COMMAND gets a copy
  --suite NAME    another release, such as trixie or noble; with --mirror URL, and --keyring FILE where this machine does not
                  have the keys of that distribution
  --help          this text

exit status: that of COMMAND; 64 wrong usage, 69 not root, no debootstrap, or no installation could be made.
When it ends, however it ends, nothing stays mounted or running.
TEXT
}

die() {
  echo "bare_root.sh: $2" >&2
  exit "$1"
}

base=
suite=
mirror=
keyring=
while [[ ${1:-} == -* ]]; do
  case $1 in
    --base | --suite | --mirror | --keyring)
      [[ -n ${2:-} ]] || die 64 "$1 takes a value"
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    *) usage >&2; die 64 "unknown option '$1'" ;;
  esac
done
[[ $# -gt 0 ]] || { usage >&2; die 64 "no command"; }
[[ -z $suite || -n $mirror ]] || die 64 "--suite needs --mirror"
[[ $(id -u) -eq 0 ]] || die 69 "needs root"
command -v debootstrap >/dev/null || die 69 "needs debootstrap: apt-get install debootstrap"
project=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/bare-root.XXXXXX")
inside=
# Mounts live in a namespace of their own (below) and end with it, so this removes only files of the copy.
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  if [[ -n $inside ]]; then
    kill -KILL "$inside" 2>/dev/null || true
    wait "$inside" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$scratch" || { sleep 2 && rm -rf --one-file-system "$scratch"; }
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
base=$(realpath -m "${base:-$scratch/base}")
fresh=$scratch/root

# The apt sources of this release, one "URI release component" a line; sources of other releases are left out.
sources_of() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$1" '$2 == suite || index($2, suite "-") == 1' | sort -u
}

# Those of the suites that a mirror has: its main components (Ubuntu has more than one).
sources_at() {
  local name release=$scratch/Release
  for name in "${@:2}"; do
    rm -f "$release"
    /usr/lib/apt/apt-helper download-file "$1/dists/$name/Release" "$release" >>"$scratch/log" 2>&1 || continue
    echo "$1 $name $(grep -m1 '^Components:' "$release" | grep -owE 'main|universe' | sort -u | paste -sd' ')"
  done
}

make_base() {
  local sources script part=$base.part options=(--variant=minbase)
  if [[ -n $suite ]]; then
    sources=$(sources_at "$mirror" "$suite" "$suite-updates" "$suite-security")
    [[ -n $sources ]] || die 69 "'$mirror' has no release '$suite'"
  else
    # shellcheck source=/dev/null
    suite=$(source /etc/os-release && echo "$VERSION_CODENAME")
    sources=$(sources_of "$suite")
    mirror=$(awk -v suite="$suite" '$2 == suite { print $1; exit }' <<<"$sources")
    [[ -n $mirror ]] || die 69 "apt knows no mirror of '$suite' here (has 'apt-get update' run?)"
  fi
  # A debootstrap older than the release has no script of that name; Ubuntu's are all the same one.
  script=/usr/share/debootstrap/scripts/$suite
  [[ -e $script ]] || script=/usr/share/debootstrap/scripts/gutsy
  [[ -z $keyring ]] || options+=(--keyring="$(realpath "$keyring")")
  echo "Installing a minimal $suite into $base"
  rm -rf --one-file-system "$part"
  debootstrap "${options[@]}" "$suite" "$part" "$mirror" "$script" >"$scratch/log" 2>&1 ||
    { tail -n 20 "$scratch/log" >&2; die 69 "debootstrap failed"; }
  awk '{ print "deb", $0 }' <<<"$sources" >"$part/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(http|https|Check|Retries)' >"$part/etc/apt/apt.conf.d/90machine" || true
  rm -rf "$part"/var/cache/apt/archives/*.deb
  mv "$part" "$base"
}

[[ -x $base/bin/bash ]] || make_base
cp -a --reflink=auto "$base" "$fresh"
cp -L /etc/resolv.conf /etc/hosts "$fresh/etc/"
git clone -q --no-hardlinks "$project" "$fresh/src"
git -C "$fresh/src" remote remove origin
git -C "$fresh/src" log -1 --format='Running in a bare root at %h: %s'

environment=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in TERM http_proxy https_proxy no_proxy; do
  [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
done
# In the background, so that a signal to this script is acted on at once.
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
  # Not chroot: a process that enters a namespace would come out of that.
  pivot_root . .
  umount --lazy .
  cd /src
  exec env -i "$@"' _ "$fresh" "${environment[@]}" "$@" <&0 &
inside=$!
status=0
wait "$inside" || status=$?
inside=
exit "$status"
