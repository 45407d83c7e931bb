#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/bundle.sh [--build-dir DIR] [--output DIR] [--with-tests] [--limit MIB]

Packs a build and the shared libraries that it needs, Open MPI's runtime among them, into one folder and one archive
(DIR and DIR.tar.zst), for machines on which nothing can be installed:

  tools/bundle.sh --output /tmp/tessera            # here
  tar -xf tessera.tar.zst                          # there, anywhere; read-only and by another user is fine
  tessera/bin/mpirun -n 2 tessera/bin/tessera train job.toml

What the other machine must have: Linux of the same processor family, a glibc at least as new as the one that
DIR/MANIFEST names, /bin/sh, and for GPU programs the driver and CUDA's libraries (cudart, cuBLAS, NCCL), none of which
are packed. Open MPI's plugins that its configuration here switches off (with Debian's: UCX, libfabric, verbs) are left
out, so ranks on several hosts speak TCP; for a faster network build with the MPI of that cluster.

options
  --build-dir DIR   what to pack; default build/release
  --output DIR      default BUILD_DIR/bundle/tessera-VERSION-linux-PROCESSOR; neither it nor DIR.tar.zst may exist
  --with-tests      pack the programs *_gpu_test of a build of the preset cuda, bin/gpu_tests, which runs them, and gpu_bench,
                    if it was built, for bench/run.py gpu (needs Python 3 there, best 3.11 or newer)
  --limit MIB       the most that the folder may hold; default 60
  --help            this text

exit status: 0 packed; 64 wrong usage, or the output exists; 66 there is no such build; 69 a tool, a library or a licence
text is missing, or the folder is over the limit; 70 internal error; 74 it could not be written. Unless it is 0 nothing is left
behind.
TEXT
}

said=
die() {
  said=yes
  echo "bundle.sh: $2" >&2
  exit "$1"
}

# glibc must be the one that the other machine's kernel and name services go with, and NVIDIA's libraries those of its
# driver.
readonly glibc='ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nsl|BrokenLocale|thread_db|nss_.*)\.so\.[0-9]+'
readonly nvidia='lib(cuda|cudart|cublas|cublasLt|nccl|nvrtc|nvJitLink|nvToolsExt|cupti|cusparse|cusolver|curand|cufft)\.so.*|libnv(idia)?-.*'
readonly shmem_frameworks=' atomic memheap scoll spml sshmem ' # Open MPI's plugins for OpenSHMEM, which Tessera is not
readonly header_only=(libcli11-dev librandom123-dev nlohmann-json3-dev) # compiled into the program

parse_options() {
  root=$(cd "$(dirname "$0")/.." && pwd)
  build_dir=$root/build/release
  output=
  with_tests=no
  limit_mib=60
  while [[ $# -gt 0 ]]; do
    case $1 in
      --with-tests) with_tests=yes ;;
      --help | -h) usage; exit 0 ;;
      --build-dir | --output | --limit)
        [[ -n ${2:-} ]] || die 64 "$1 takes a value"
        case $1 in
          --build-dir) build_dir=$2 ;;
          --output) output=$2 ;;
          --limit) limit_mib=$2 ;;
        esac
        shift
        ;;
      *) usage >&2; die 64 "unknown option '$1'" ;;
    esac
    shift
  done
  [[ $limit_mib =~ ^[1-9][0-9]{0,5}$ ]] || die 64 "--limit takes a number of MiB, not '$limit_mib'"
}

check_machine() {
  local tool missing=()
  for tool in ldd readelf patchelf tar zstd sha256sum ompi_info; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [[ ${#missing[@]} -eq 0 ]] ||
    die 69 "not found: ${missing[*]} ('tools/install_dependencies.sh build test' installs them; ompi_info is Open MPI's)"
}

check_build() {
  program=$build_dir/bin/tessera
  [[ -x $program ]] || die 66 "no program '$program'; build it with 'cmake --build $build_dir', or name another --build-dir"
  version=$("$program" --version) || die 66 "'$program' does not run here, so what it needs cannot be found"
  tests=() benches=()
  if [[ $with_tests == yes ]]; then
    mapfile -t tests < <(find "$build_dir/bin" -name '*_gpu_test' -type f | sort)
    [[ ${#tests[@]} -gt 0 ]] ||
      die 66 "no program *_gpu_test in '$build_dir/bin'; build them with 'tools/build_cuda.sh $build_dir tessera_gpu_tests'"
    [[ ! -x $build_dir/bin/gpu_bench ]] || benches=("$build_dir/bin/gpu_bench")
  fi
}

check_output() {
  local name
  read -r _ name _ <<<"$version"
  output=$(realpath -m "${output:-$build_dir/bundle/tessera-$name-linux-$(uname -m)}")
  [[ ! -e $output ]] || die 64 "'$output' exists; remove it or name another --output"
  [[ ! -e $output.tar.zst ]] || die 64 "'$output.tar.zst' exists; remove it or name another --output"
  mkdir -p "$(dirname "$output")" || die 74 "'$(dirname "$output")' cannot be made"
  work=$(mktemp -d "$output.part.XXXXXX") || die 74 "'$(dirname "$output")' cannot be written"
  bundle=$work/$(basename "$output")
}

# --- Open MPI -----------------------------------------------------------------------------------------------------

# mpi_path NAME [PREFIX]: one of its folders, as it is or as it will be looked for under another prefix.
mpi_path() { env ${2:+OPAL_PREFIX="$2"} ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p" | head -n 1; }

check_mpi() {
  local used
  used=$(ldd "$program" | awk '$1 ~ /^libmpi\.so/ { print $3 }')
  [[ -n $used ]] || die 69 "'$program' is not linked to Open MPI's libmpi.so, and no other MPI can be packed"
  [[ $(realpath -q "$(mpi_path libdir)/libmpi.so") == "$(realpath -q "$used")" ]] ||
    die 69 "'$program' uses $used, which is not the Open MPI of the ompi_info on the PATH ($(mpi_path libdir))"
  mpi_version=$(ompi_info --version | sed -nE '1s/^Open MPI v//p')
  [[ $mpi_version == 4.* ]] || die 69 "only Open MPI 4 can be packed, and this is $mpi_version"
}

# is_switched_off FRAMEWORK NAME: is there a line "FRAMEWORK = ^NAME,..." in Open MPI's configuration?
is_switched_off() {
  local names
  names=$(sed -nE "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\^//p" "$configuration" | tail -n 1 | tr -d ' ')
  [[ ,$names, == *,$2,* ]]
}

copy_mpi() {
  local prefix=$bundle/openmpi bin folder plugin framework name plugins=()
  bin=$(mpi_path bindir)
  configuration=$prefix/etc/openmpi-mca-params.conf
  mkdir -p "$prefix/etc"
  cp -L "$(mpi_path sysconfdir)/openmpi-mca-params.conf" "$configuration" 2>/dev/null || touch "$configuration"
  add_program "$bin/orterun" openmpi/bin/orterun
  add_program "$bin/orted" openmpi/libexec/orted
  left_out=()
  for plugin in "$(mpi_path pkglibdir)"/mca_*.so; do
    name=$(basename "$plugin" .so)
    framework=${name#mca_}
    framework=${framework%%_*}
    [[ $shmem_frameworks != *" $framework "* ]] || continue
    if is_switched_off "$framework" "${name#mca_"${framework}"_}"; then
      left_out+=("$name")
    else
      plugins+=("$plugin")
    fi
  done
  add_plugins "$(mpi_path pkglibdir "$prefix")" "${plugins[@]}"
  folder=$(mpi_path pkgdatadir "$prefix")
  mkdir -p "$folder"
  cp "$(mpi_path pkgdatadir)"/help-*.txt "$folder"
}

# PMIx and UCX of their own, which Open MPI's plugins may be linked to, open plugins as well.
copy_plugins_of_libraries() {
  local from
  if [[ -n ${libraries[libpmix.so.2]:-} ]]; then
    from=$(dirname "$(realpath "${libraries[libpmix.so.2]}")")
    add_plugins "$bundle/pmix/lib/pmix" "$from"/pmix/*.so
    mkdir -p "$bundle/pmix/share/pmix" "$bundle/pmix/etc"
    cp "$from"/../share/pmix/help-*.txt "$bundle/pmix/share/pmix"
    touch "$bundle/pmix/etc/pmix-mca-params.conf"
  fi
  if [[ -n ${libraries[libucs.so.0]:-} ]]; then
    from=$(dirname "$(realpath "${libraries[libucs.so.0]}")")
    add_plugins "$bundle/lib/ucx" "$from"/ucx/*.so.0
  fi
}

# --- programs and libraries -----------------------------------------------------------------------------------------

declare -A libraries=() # the name that a program asks for -> the file here
sources=()              # every file of this machine that is packed, for its licence

# add_libraries FILE...: what they are linked to, directly or not.
add_libraries() {
  local name path
  while read -r name path; do
    [[ ! $name =~ ^($glibc)$ && ! $name =~ ^($nvidia)$ ]] || continue
    [[ $path != not ]] || die 69 "$name is not found here, and one of these needs it: $*"
    [[ -z ${libraries[$name]:-} ]] || continue
    libraries[$name]=$path
    sources+=("$(realpath "$path")")
  done < <(ldd "$@" | awk '$2 == "=>" { print $1, $3 }' | sort -u)
}

copy() { install -D -m "$1" "$(realpath "$2")" "$3" || die 74 "'$3' cannot be written"; }

# add_program FILE PLACE: an executable, told to find its libraries in the bundle before anywhere else. DT_RPATH, not
# DT_RUNPATH: it holds for plugins and libraries of libraries too, and no LD_LIBRARY_PATH of a site comes before it.
add_program() {
  local place=$bundle/$2
  [[ -x $1 ]] || die 69 "the program '$1' is missing"
  add_libraries "$1"
  sources+=("$(realpath "$1")")
  copy 755 "$1" "$place"
  patchelf --force-rpath --set-rpath "\$ORIGIN/$(realpath -m --relative-to="$(dirname "$place")" "$bundle/lib")" "$place"
}

# add_plugins FOLDER FILE...: libraries that are opened by their path.
add_plugins() {
  local folder=$1
  shift
  add_libraries "$@"
  mapfile -t -O "${#sources[@]}" sources < <(realpath "$@")
  mkdir -p "$folder"
  cp -L "$@" "$folder" || die 74 "'$folder' cannot be written"
}

copy_libraries() {
  local name
  for name in "${!libraries[@]}"; do copy 644 "${libraries[$name]}" "$bundle/lib/$name"; done
  # A run path of its own would stand in the way of the program's.
  find "$bundle" -type f \( -name '*.so' -o -name '*.so.*' \) -print0 | xargs -0 patchelf --remove-rpath
}

elf_files() { find "$bundle" -type f ! -name '*.sh' \( -path '*/libexec/*' -o -name orterun -o -name '*.so' -o -name '*.so.*' \); }

# Everything that any file asks for is in the folder, or is meant not to be.
check_complete() {
  local name
  while read -r name; do
    [[ -e $bundle/lib/$name || $name =~ ^($glibc)$ || $name =~ ^($nvidia)$ ]] ||
      die 69 "the bundle would lack $name; nothing here is linked to it directly"
  done < <(elf_files | xargs -d '\n' readelf -d 2>/dev/null | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | sort -u)
}

# --- launchers ------------------------------------------------------------------------------------------------------

# launcher PLACE UP WHAT: writes a launcher, which finds the bundle UP from itself; what it then does is the input.
launcher() {
  local place=$bundle/$1
  mkdir -p "$(dirname "$place")"
  cat >"$place" <<TEXT
#!/bin/sh
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# $3
set -e
self=\$0
[ ! -L "\$self" ] || self=\$(readlink -f "\$self")
case \$self in */*) ;; *) self=./\$self ;; esac
root=\$(CDPATH='' cd -- "\${self%/*}/$2" && pwd -P)
case \$root in
  *:*)
    echo "\${0##*/}: the folder '\$root' has a colon in its name, which Open MPI takes for a separator; rename it" >&2
    exit 69
    ;;
esac
export OPAL_PREFIX="\$root/openmpi" OPAL_SYSCONFDIR="\$root/openmpi/etc"
export HWLOC_PLUGINS_PATH="\$root/lib/hwloc" # none there: those of another hwloc are not opened
TEXT
  [[ ! -d $bundle/pmix ]] || cat >>"$place" <<'TEXT'
export PMIX_PREFIX="$root/pmix" PMIX_LIBDIR="$root/pmix/lib" PMIX_PKGLIBDIR="$root/pmix/lib/pmix"
export PMIX_PKGDATADIR="$root/pmix/share/pmix" PMIX_SYSCONFDIR="$root/pmix/etc"
TEXT
  [[ ! -d $bundle/lib/ucx ]] || cat >>"$place" <<'TEXT'
export UCX_MODULE_DIR="$root/lib/ucx"
TEXT
  cat >>"$place"
  chmod 755 "$place"
}

write_launchers() {
  launcher bin/tessera .. "Runs Tessera with the libraries of this folder." <<'TEXT'
exec "$root/libexec/tessera" "$@"
TEXT
  launcher bin/mpirun .. "Runs a program as several ranks with the Open MPI of this folder." <<'TEXT'
export PATH="$root/bin:$PATH"
# Without ssh and rsh Open MPI would end, even if nothing is to be started on other hosts.
command -v ssh >/dev/null || command -v rsh >/dev/null || export OMPI_MCA_plm="${OMPI_MCA_plm:-^rsh}"
exec "$root/openmpi/bin/orterun" "$@"
TEXT
  launcher openmpi/bin/orted ../.. "What mpirun starts on every other host." <<'TEXT'
export PATH="$root/bin:$PATH"
exec "$root/openmpi/libexec/orted" "$@"
TEXT
  [[ ${#benches[@]} -eq 0 ]] || launcher bin/gpu_bench .. "Measures a GPU with the libraries of this folder." <<'TEXT'
exec "$root/libexec/gpu_bench" "$@"
TEXT
  [[ ${#tests[@]} -gt 0 ]] || return 0
  install -m 755 "$root/tools/mpirun.sh" "$bundle/libexec/mpirun.sh"
  launcher bin/gpu_tests .. "Runs every test that needs a GPU. Exit status: 0 all that ran passed, 1 a test failed or none ran." <<'TEXT'
export PATH="$root/bin:$PATH"
ran=0 failed=0
run() {
  echo "== $*"
  status=0
  "$@" || status=$?
  case $status in
    0) ran=$((ran + 1)) ;;
    77) ;;
    *) ran=$((ran + 1)) failed=$((failed + 1)) ; echo "failed with status $status: $*" ;;
  esac
}
for program in "$root"/libexec/*_gpu_test; do
  case $program in
    */nccl_gpu_test) for ranks in 1 2 4; do run "$root/libexec/mpirun.sh" "$ranks" "$program"; done ;;
    *) run "$program" ;;
  esac
done
echo "$((ran - failed)) passed, $failed failed"
[ "$ran" -gt 0 ] || { echo "gpu_tests: no test ran on a GPU" >&2; exit 1; }
[ "$failed" -eq 0 ]
TEXT
}

# --- texts ------------------------------------------------------------------------------------------------------------

# The packages that own what is packed, into `owners` ("PACKAGE: FILE" a line) and `packages`. dpkg may know a file under
# the name that it had before /lib became a link to /usr/lib.
find_owners() {
  owners=
  packages=("${header_only[@]}")
  command -v dpkg-query >/dev/null || return 0
  owners=$(printf '%s\n' "${sources[@]}" | awk '{ print; print "/usr" $0; if (sub("^/usr/", "/")) print }' |
    xargs -d '\n' dpkg-query --search 2>/dev/null) || true
  mapfile -t packages < <({ cut -d: -f1 <<<"$owners"; printf '%s\n' "${header_only[@]}"; } | sort -u)
}

# The licence of every Debian package that is packed or compiled in, and the common texts that those refer to. What was
# installed otherwise is named, so that whoever passes the bundle on can add its text.
copy_licences() {
  local package text file folder=$bundle/licences
  mkdir -p "$folder"
  cp "$root/LICENSE" "$folder/tessera.txt"
  if ! command -v dpkg-query >/dev/null; then
    echo "bundle.sh: no dpkg here: only Tessera's own licence text is packed; add those of the libraries in lib/" >&2
    return
  fi
  for package in "${packages[@]}"; do
    text=/usr/share/doc/$package/copyright
    [[ -r $text ]] || die 69 "the licence text '$text' is missing"
    cp -L "$text" "$folder/$package.txt"
  done
  grep -ohE '/usr/share/common-licenses/[A-Za-z0-9.+-]*[A-Za-z0-9+]' "$folder"/*.txt | sort -u | while read -r text; do
    [[ ! -r $text ]] || copy 644 "$text" "$folder/common-licenses/$(basename "$text")"
  done
  for file in "${sources[@]}"; do
    [[ $file == "$(realpath "$build_dir")"/* || $owners == *": ${file#/usr}"* || $owners == *": $file"* ]] ||
      echo "bundle.sh: '$file' is of no package: add its licence text to licences/" >&2
  done
}

needed_glibc() {
  elf_files | xargs -d '\n' readelf --version-info --wide 2>/dev/null | grep -oE 'GLIBC_2\.[0-9]+' | sort -uV | tail -n 1
}

write_manifest() {
  local glibc_version
  glibc_version=$(needed_glibc)
  {
    echo "$version"
    # shellcheck source=/dev/null
    echo "built on $(source /etc/os-release && echo "$PRETTY_NAME"), Open MPI $mpi_version"
    echo "needs Linux on $(uname -m) with glibc ${glibc_version#GLIBC_} or newer and /bin/sh; CUDA's libraries if GPUs are used"
    echo "plugins of Open MPI that are left out: ${left_out[*]:-none}"
    if command -v dpkg-query >/dev/null; then
      echo "made of these packages (their licences are in licences/):"
      # shellcheck disable=SC2016 # dpkg's own placeholders
      dpkg-query --show --showformat='  ${source:Package} ${Version} (${binary:Package})\n' "${packages[@]}" | sort -u
    fi
    echo "checksums of all files: SHA256SUMS (check them with 'sha256sum --check --quiet SHA256SUMS' in this folder)"
  } >"$bundle/MANIFEST"
}

write_readme() {
  cat >"$bundle/README" <<'TEXT'
Tessera with everything that it needs but glibc and NVIDIA's libraries; MANIFEST says what that is. Nothing is installed:
the folder can be moved anywhere, be read-only, and belong to somebody else.

  bin/tessera --help                                    # the program
  bin/mpirun -n 2 bin/tessera train job.toml            # as two ranks on this host; as root Open MPI wants
                                                        # OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  PATH="$PWD/bin:$PATH" sbatch slurm/train.sbatch job.toml
  bench/run.py gpu --data DIR                           # measures a GPU, if gpu_bench is packed; results in ./tessera-bench

Only this folder's mpirun, or srun --mpi=pmix, starts this program as several ranks. Unload other MPI modules first: settings
like OMPI_MCA_pml=... of theirs would hold here, too. Hosts find each other through Slurm, or through ssh where mpirun gets
--host; all of them must see the folder under the same path, which for ssh must have no spaces.
TEXT
}

copy_texts() {
  mkdir -p "$bundle/jobs/gpu" "$bundle/bench" "$bundle/slurm"
  cp "$root"/jobs/*.toml "$bundle/jobs"
  cp "$root"/jobs/gpu/*.toml "$bundle/jobs/gpu"
  cp "$root"/bench/{run,ask_rows,gpu_table,memory_rows,ultra_rows}.py "$bundle/bench"
  cp "$root"/slurm/*.sbatch "$root"/slurm/{launch.sh,README.md,tessera.def,tessera.lua} "$bundle/slurm"
  find_owners
  copy_licences
  write_manifest
  write_readme
}

# --- the whole --------------------------------------------------------------------------------------------------------

seal() {
  chmod -R u+w,a+rX,go-w "$bundle"
  (cd "$bundle" && find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum >"$work/sums" && mv "$work/sums" SHA256SUMS)
  chmod 644 "$bundle/SHA256SUMS"
  bytes=$(find "$bundle" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
  ((bytes <= limit_mib * 1048576)) ||
    die 69 "the folder would hold $((bytes / 1048576 + 1)) MiB, more than the limit of $limit_mib; --limit raises it"
  tar --create --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(stat -c %Y "$program")" "$(basename "$output")" | zstd -q -12 -T0 -o "$work/archive" ||
    die 74 "the archive could not be written in '$work'"
  mv -T "$work/archive" "$output.tar.zst"
  mv -T "$bundle" "$output"
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  local status=$?
  rm -rf "$work"
  [[ $status -eq 0 || $status -ge 128 || -n $said ]] || die 70 "a step failed; its own message, if any, is above"
}

parse_options "$@"
check_machine
check_build
check_mpi
check_output
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
add_program "$program" libexec/tessera
for test in "${tests[@]}" "${benches[@]}"; do add_program "$test" "libexec/$(basename "$test")"; done
copy_mpi
copy_plugins_of_libraries
copy_libraries
check_complete
write_launchers
copy_texts
seal
printf '%s (%.1f MiB)\n%s (%.1f MiB)\n' "$output" "$((bytes / 104858))e-1" \
  "$output.tar.zst" "$(($(stat -c %s "$output.tar.zst") / 104858))e-1"
