#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over every source file of a build, with .clang-tidy's blocking set.

  check_tidy.py [--build-dir DIR] [--jobs N] [--minutes N] [--analyze] [FILE|FOLDER...]

A file that passed is not checked again until it, a project header that it includes, its compile command or
.clang-tidy changes (stamps are under DIR/tidy). With FILE or FOLDER only those are checked. With --minutes no file
is begun after that time: those changed last come first, and what was left out is said. --analyze runs the clang static
analyser instead: deeper and slow, not part of the tests.

exit status: 0 clean, 1 findings, 66 the build is not configured, 77 no clang-tidy-14 here, or one that cannot read the compiler's headers
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The compile commands are those of GCC; the leaks and MPI checks know no owner that lives elsewhere.
TIDY = "clang-tidy-14"  # another version finds other things
EXTRA = ["--quiet", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-unused-command-line-argument"]
ANALYZE = "-*,clang-analyzer-*,-clang-analyzer-optin.mpi*,-clang-analyzer-optin.cplusplus.VirtualCall"


def project_headers(build):
    """Object file -> the project's headers that it was built from, as ninja recorded them."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=False)
    headers, current = {}, None
    for line in listing.stdout.splitlines():
        if line.startswith(" "):
            path = (build / line.strip()).resolve()
            if current is not None and path.is_relative_to(ROOT) and not path.is_relative_to(build):
                current.append(path)
        elif ": #deps" in line:
            name, _, state = line.partition(": #deps")
            current = headers.setdefault(name, []) if "VALID" in state else None
    return headers


def output_of(entry):
    """The object file of a compile command: newer CMakes say it, older ones have it after -o."""
    words = shlex.split(entry["command"])
    return entry.get("output") or words[words.index("-o") + 1]


def stamp_name(entry, headers, common):
    """A hash of all that the result depends on, or None when the headers are not known yet."""
    known = headers.get(output_of(entry))
    if known is None:
        return None
    digest = hashlib.sha256(common)
    digest.update(entry["command"].encode())
    for path in sorted({Path(entry["file"]).resolve(), *known}):
        digest.update(path.read_bytes() if path.exists() else b"gone")
    return digest.hexdigest()


def newest_first(entries):
    """Files that were never committed, then those of the newest commits."""
    log = subprocess.run(["git", "-C", ROOT, "log", "--format=", "--name-only"], capture_output=True, text=True, check=False)
    order = {}
    for line in log.stdout.splitlines():
        order.setdefault(ROOT / line, len(order))
    return sorted(entries, key=lambda entry: order.get(Path(entry["file"]).resolve(), -1))


def check(entry, build, stamp, options, deadline):
    if time.monotonic() > deadline:
        return None, ""
    command = [TIDY, "-p", build, *EXTRA, *options, entry["file"]]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0 and stamp:
        stamp.touch()
    return run.returncode, run.stdout if "error:" in run.stdout else run.stdout + run.stderr


def reads_this_compilers_headers():
    """clang 14 does not understand the standard library of every newer GCC, nor finds its omp.h."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.cpp"
        probe.write_text("#include <chrono>\n#include <omp.h>\nint main() { return 0; }\n")
        run = subprocess.run([TIDY, "--quiet", "--checks=-*,misc-misplaced-const", probe, "--", "-std=c++20", "-fopenmp"],
                             capture_output=True, check=False)
        return run.returncode == 0


def select(build, files):
    entries = json.loads((build / "compile_commands.json").read_text())
    entries = [e for e in entries if Path(e["file"]).resolve().is_relative_to(ROOT)]
    entries = [e for e in entries if not Path(e["file"]).resolve().is_relative_to(build)]
    if not files:
        return entries
    selected = {}
    for wanted in (Path(f).resolve() for f in files):
        inside = [e for e in entries if Path(e["file"]).resolve().is_relative_to(wanted)]
        if not inside:
            sys.exit(f"check_tidy.py: '{wanted}' is not, and does not hold, a source file of this build")
        selected.update((e["file"], e) for e in inside)
    return list(selected.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--analyze", action="store_true")
    parser.add_argument("files", nargs="*", metavar="FILE|FOLDER")
    arguments = parser.parse_args()
    build = arguments.build_dir.resolve()
    if not shutil.which(TIDY):
        print(f"check_tidy.py: skipped: no {TIDY} here ('tools/install_dependencies.sh test' installs it)")
        return 77
    if not (build / "compile_commands.json").is_file():
        print(f"check_tidy.py: '{build}' is not configured; do: cmake --preset release", file=sys.stderr)
        return 66

    if not reads_this_compilers_headers():
        print(f"check_tidy.py: skipped: {TIDY} cannot read the headers of this machine's compiler")
        return 77

    options = ["--checks=" + ANALYZE] if arguments.analyze else []
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    common = version + (ROOT / ".clang-tidy").read_bytes() + " ".join(EXTRA + options).encode()
    deadline = time.monotonic() + 60 * arguments.minutes
    headers, stamps = project_headers(build), build / "tidy"
    stamps.mkdir(exist_ok=True)
    todo, unchanged = [], 0
    for entry in newest_first(select(build, arguments.files)):
        name = stamp_name(entry, headers, common)
        if name and (stamps / name).exists():
            unchanged += 1
        else:
            todo.append((entry, build, stamps / name if name else None, options, deadline))

    failed, left = 0, 0
    with ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        for status, output in pool.map(lambda job: check(*job), todo):
            if status is None:
                left += 1
            elif status != 0:
                failed += 1
                print(output.strip(), flush=True)
    print(f"clang-tidy: {len(todo) - left} files checked, {failed} with findings, {unchanged} unchanged since they passed"
          + (f", {left} left out for lack of time" if left else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
