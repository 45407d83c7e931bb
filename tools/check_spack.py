#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Checks Spack.yaml without Spack: its shape, the names in it, and that no library of the build is missing.

  check_spack.py [ROOT]       check ROOT/Spack.yaml against ROOT/cmake/TesseraDependencies.cmake
  check_spack.py --self-test  break it in one way each, and expect to be told

It does not concretise: whether the versions and variants exist together only Spack can say.
Exit status: 0 in order, 1 problems, 66 a file is missing, 77 no Python YAML module here
"""

import argparse
import re
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    print("check_spack.py: skipped: no Python YAML module here ('tools/install_dependencies.sh test' installs it)")
    sys.exit(77)

# Names in Spack's builtin repository that Tessera uses or may use. Not there: serd, streamvbyte, KaMinPar.
KNOWN = set(
    """benchmark blis cli11 cmake cuda fmt googletest hdf5 highfive highway hwloc intel-tbb kahip libxsmm lz4 metis
    nccl ninja nlohmann-json onednn openblas openmpi parmetis pkgconf python random123 scotch slurm spdlog tomlplusplus
    xxhash zlib zlib-ng zstd""".split()
)

# What CMake looks for -> the spec that brings it (none: part of the compiler or of CMake, or left out there: TESSERA_RDF).
SPEC_OF = {
    "BLAS": "openblas", "CBLAS": "openblas", "CLI11": "cli11", "CUDAToolkit": "cuda", "GTest": "googletest",
    "HDF5": "hdf5", "METIS": "metis", "MPI": "openmpi", "NCCL": "nccl", "OpenMP": None, "PkgConfig": "pkgconf",
    "Python3": "python", "Random123/philox.h": "random123", "Threads": None, "ZLIB": "zlib", "benchmark": "benchmark",
    "cblas.h": "openblas", "ccache": None, "fmt": "fmt", "hwloc": "hwloc", "libhwy": "highway",
    "libxxhash": "xxhash", "libzstd": "zstd", "raptor2": None, "serd-0": None, "nlohmann_json": "nlohmann-json", "openblas": "openblas",
    "spdlog": "spdlog", "tomlplusplus": "tomlplusplus",
}  # fmt: skip

NAME = r"[a-z0-9][a-z0-9-]*"
SPEC = re.compile(rf"({NAME})(@[\w.:,=-]+)?((\s+|(?=[+~]))([+~][\w-]+|[\w-]+=[\w.,:-]+))*")


def check_environment(text):
    """Problems of the file's text, and the spec names in it."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"is not YAML: {error}"], []
    if not isinstance(content, dict) or list(content) != ["spack"] or not isinstance(content["spack"], dict):
        return ["must have one top-level key, 'spack', with a table below it"], []
    environment = content["spack"]
    problems = []
    for key in environment:
        if key not in ("definitions", "specs", "packages", "concretizer", "view"):
            problems.append(f"key '{key}' is not one of: definitions, specs, packages, concretizer, view")
    if environment.get("concretizer") != {"unify": True}:
        problems.append("'concretizer' must be {unify: true}: one version of each library")
    if environment.get("view") is not True:
        problems.append("'view' must be true: CMake finds the libraries through it")
    specs, more = all_specs(environment)
    problems += more
    names = []
    for spec in specs:
        match = SPEC.fullmatch(spec) if isinstance(spec, str) else None
        if not match:
            problems.append(f"{spec!r} is not a spec: 'name@version +variant key=value' (with a colon, quote it)")
        elif match[1] not in KNOWN:
            problems.append(f"'{match[1]}' is not in KNOWN of tools/check_spack.py: does Spack have it?")
        elif match[1] in names:
            problems.append(f"'{match[1]}' is listed twice")
        else:
            names.append(match[1])
    for name in (environment.get("packages") or {}):
        if name not in KNOWN:
            problems.append(f"'{name}' of 'packages' is not in KNOWN of tools/check_spack.py: does Spack have it?")
    return problems, names


def all_specs(environment):
    """The specs, those of lists in 'definitions' in place of their names, and problems."""
    lists, problems = {}, []
    for definition in environment.get("definitions", []):
        names = [name for name in definition if name != "when"]
        if len(names) != 1 or not isinstance(definition[names[0]], list):
            problems.append(f"{definition!r} of 'definitions' must be one list, with 'when' or without")
            continue
        lists.setdefault(names[0], []).extend(definition[names[0]])
    specs = environment.get("specs")
    if not isinstance(specs, list) or not specs:
        return [], problems + ["'specs' must be a list"]
    found = []
    for spec in specs:
        if isinstance(spec, str) and spec.startswith("$"):
            if spec[1:] not in lists:
                problems.append(f"'{spec}' is no list of 'definitions'")
            found += lists.get(spec[1:], [])
        else:
            found.append(spec)
    return found, problems


def wanted_by_cmake(text):
    text = re.sub(r"#.*", "", text)
    for name in re.findall(r"find_package\(\s*([\w+-]+)", text):
        yield name
    for words in re.findall(r"pkg_check_modules\(\s*\w+\s+([^)]*)\)", text):
        yield from (w for w in words.split() if w not in ("REQUIRED", "QUIET", "IMPORTED_TARGET", "GLOBAL"))
    for name in re.findall(r"find_path\(\s*\w+\s+(?:NAMES\s+)?([\w./+-]+)", text):
        yield name


def check(spack_text, cmake_text):
    problems, names = check_environment(spack_text)
    for wanted in wanted_by_cmake(cmake_text):
        if wanted not in SPEC_OF:
            problems.append(f"CMake looks for {wanted}, which SPEC_OF of tools/check_spack.py does not know")
        elif SPEC_OF[wanted] and SPEC_OF[wanted] not in names:
            problems.append(f"CMake looks for {wanted}, so the spec '{SPEC_OF[wanted]}' is missing")
    return problems


def self_test():
    cmake = "find_package(HDF5 1.10.8 REQUIRED COMPONENTS C)\npkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)\n"
    sound = """
spack:
  specs:
    - 'hdf5@1.10.9: ~mpi +shared'
    - highway
  concretizer: {unify: true}
  view: true
"""
    cases = {
        "sound": (sound, cmake, None),
        "not YAML": ("spack: [", cmake, "is not YAML"),
        "two tables": (sound + "other: 1\n", cmake, "one top-level key"),
        "an include": (sound + "  include: [x.yaml]\n", cmake, "key 'include'"),
        "no view": (sound.replace("view: true", "view: false"), cmake, "'view' must be true"),
        "no unify": (sound.replace("unify: true", "unify: false"), cmake, "'concretizer' must be"),
        "unknown name": (sound.replace("- highway", "- highway\n    - serd"), cmake, "'serd' is not in KNOWN"),
        "twice": (sound.replace("- highway", "- highway\n    - highway"), cmake, "listed twice"),
        "bad spec": (sound.replace("~mpi +shared", "no mpi"), cmake, "is not a spec"),
        "unquoted colon": (sound.replace("'", ""), cmake, "is not a spec"),
        "missing library": (sound, cmake + "find_package(METIS REQUIRED)\n", "spec 'metis' is missing"),
        "missing module": (sound, cmake + "pkg_check_modules(z REQUIRED libzstd)\n", "spec 'zstd' is missing"),
        "missing header": (sound, cmake + "find_path(R Random123/philox.h)\n", "spec 'random123' is missing"),
        "a list": (sound.replace("  specs:", "  definitions:\n    - all: [metis]\n  specs:\n    - $all"), cmake + "find_package(METIS)\n", None),
        "no such list": (sound.replace("- highway", "- highway\n    - $gpu"), cmake, "'$gpu' is no list"),
        "new library": (sound, cmake + "find_package(Boost)\n", "SPEC_OF"),
    }
    failed = 0
    for name, (spack_text, cmake_text, expected) in cases.items():
        problems = check(spack_text, cmake_text)
        if (expected is None and problems) or (expected and not any(expected in p for p in problems)):
            failed += 1
            print(f"self-test '{name}': expected {expected!r}, got {problems}")
    print(f"self-test: {len(cases) - failed} of {len(cases)} cases passed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return 1 if self_test() else 0
    files = [arguments.root / "Spack.yaml", arguments.root / "cmake" / "TesseraDependencies.cmake"]
    for file in files:
        if not file.is_file():
            print(f"check_spack.py: '{file}' is missing", file=sys.stderr)
            return 66
    problems = check(*(file.read_text(encoding="utf-8") for file in files))
    for problem in problems:
        print(f"Spack.yaml: {problem}")
    if not problems:
        print("Spack.yaml: in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
