#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the layers and the shape of the source tree.

  check_layers.py [ROOT]       check the tree (default: the one this script is in)
  check_layers.py --self-test  build small trees that break one rule each, and expect to be told

Rules: a module includes exactly the modules that LAYERS lists for it, never the detail/ of another; a library's
headers are included only in its home (HOMES); every source file begins with the two SPDX lines and is not too long;
every module has a short README. Prints one line per violation and ends with 1 if there is any.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

# Module -> the modules that it uses, besides itself. The order is the order of the layers.
LAYERS = {
    "core": [],
    "device": ["core"],
    "memory": ["core", "device"],
    "storage": ["core"],
    "tables": ["core", "storage"],
    "packing": [],
    "graph": ["core", "memory", "storage", "packing"],
    "attributes": ["core", "memory", "storage", "packing", "graph"],
    "comm": ["core", "device"],
    "kernels": ["core", "device"],
    "execution": ["core", "device", "memory", "comm", "kernels"],
    "model": ["core", "memory", "graph", "comm", "kernels"],
    "checkpoint": ["core", "memory", "storage", "graph", "comm", "kernels", "model"],
    "exchange": ["core", "device", "memory", "graph", "comm", "kernels", "execution"],
    "sampling": ["core", "memory", "packing", "graph", "comm", "kernels", "execution", "model", "exchange"],
    "train": [
        "core", "memory", "storage", "graph", "comm", "kernels", "execution", "model", "checkpoint", "exchange",
        "sampling",
    ],
    "search": ["core", "memory", "storage", "graph", "comm", "kernels", "execution", "model"],
    "evaluate": ["core", "memory", "storage", "graph", "comm", "kernels", "model", "search"],
    "predict": [
        "core", "memory", "storage", "tables", "graph", "attributes", "comm", "kernels", "model", "search",
    ],
    "propagation": [
        "core", "memory", "storage", "graph", "comm", "kernels", "execution", "checkpoint", "train", "search",
    ],
    "exports": ["core", "memory", "storage", "graph", "checkpoint"],
    "partition": ["core", "memory", "storage", "graph", "attributes"],
    "foreign": ["core", "storage", "graph", "kernels", "model", "checkpoint", "propagation", "partition"],
    "plan": [
        "core", "memory", "graph", "comm", "model", "checkpoint", "sampling", "train", "search", "evaluate", "predict",
        "partition",
    ],
    "report": ["core", "memory", "storage", "graph", "checkpoint", "train", "evaluate"],
    "tuning": ["core", "storage", "train"],
    "cli": [
        "core", "device", "memory", "storage", "tables", "graph", "attributes", "comm", "kernels", "execution", "model", "checkpoint", "train",
        "search", "evaluate", "predict", "propagation", "exports", "partition", "foreign", "plan", "report",
        "tuning",
    ],
}

# Headers of a library (a regular expression over the whole include path) -> the modules, or the file stems inside
# a module, that are its home. Under tests/ and bench/ only the layers of TEST_ONLY count.
EVERYWHERE = list(LAYERS)
HOMES = [
    (r"mpi(-ext)?\.h", ["comm"]),
    (r"nccl\.h", ["comm"]),
    (r"hdf5(_hl)?\.h|H5[A-Z]\w*\.h", ["storage"]),
    (r"metis\.h", ["partition"]),
    (r"cblas\.h|openblas.*|f77blas\.h", ["kernels"]),
    (r"hwy/.*", ["core", "kernels", "packing"]),
    (r"\w*intrin\.h|arm_(neon|sve)\.h", ["kernels"]),
    (r"omp\.h", ["core/parallel", "kernels"]),
    (r"cublas.*", ["kernels"]),
    (r"cuda.*|cub/.*|cooperative_groups.*", ["device", "kernels", "comm"]),
    (r"hwloc.*", ["device", "memory"]),
    (r"CLI/.*", ["cli"]),
    (r"spdlog/.*", ["cli"]),
    (r"toml\+\+/.*|toml\.hpp", ["core"]),
    (r"nlohmann/.*", ["tables", "foreign", "train", "evaluate", "predict", "exports", "plan", "report", "tuning", "cli"]),
    (r"Random123/.*", ["core", "kernels"]),
    (r"xxhash?\.h|xxh3\.h|zstd(_errors)?\.h|zdict\.h|zlib\.h", ["storage", "attributes", "partition"]),
    (r"raptor2\.h|serd/.*", ["partition"]),
    (r"fmt/.*", EVERYWHERE),
]
TEST_ONLY = r"(gtest|gmock|benchmark)/.*"

# The standard library has no dots in its names; these belong to C and POSIX.
SYSTEM = re.compile(
    r"[a-z0-9_]+|(sys|linux|netinet|arpa)/\w+\.h|"
    r"(unistd|fcntl|poll|pthread|sched|dirent|dlfcn|malloc|netdb|pwd|signal|spawn|termios|time|errno|stdio|stdlib|"
    r"string|stdint|stddef|math|limits|glob|ftw|wait|syscall|execinfo|cxxabi|endian|byteswap)\.h"
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

HEADER_LINES, SOURCE_LINES, README_LINES = 250, 400, 40
HEADERS, SOURCES = {".hpp", ".cuh", ".h"}, {".cpp", ".cu", ".cc", ".c"}
SPDX = ["// SPDX-FileCopyrightText: The Tessera authors", "// SPDX-License-Identifier: Apache-2.0"]


def module_folder(root, module):
    return root / "partition" if module == "partition" else root / "src" / module


def source_files(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in HEADERS | SOURCES)


def check_shape(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    most = HEADER_LINES if path.suffix in HEADERS else SOURCE_LINES
    if lines[:2] != SPDX:
        yield 1, "does not begin with the two SPDX lines"
    if len(lines) > most:
        yield most + 1, f"has {len(lines)} lines, more than {most}"


def includes(path):
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] or match[2], match[1] is not None


def is_home(home, module, relative):
    """`home` is a module, or a module and the name of its files: core/parallel is core/parallel.hpp and .cpp."""
    name, _, stem = home.partition("/")
    return name == module and (not stem or relative.parts[0].split(".")[0] == stem)


def check_vendor(module, relative, included, quoted):
    if re.fullmatch(TEST_ONLY, included):
        return f"includes {included}, which belongs in tests/ and bench/"
    for pattern, homes in HOMES:
        if re.fullmatch(pattern, included):
            if any(is_home(home, module, relative) for home in homes):
                return None
            return f"includes {included}, whose home is {', '.join(homes)}"
    if not quoted and SYSTEM.fullmatch(included):
        return None
    if quoted:
        return f'includes "{included}", which names no module; write "module/file.hpp"'
    return f"includes {included}, which has no home yet; give it one in HOMES of tools/check_layers.py"


def check_include(module, relative, included, quoted):
    """One include of the file `relative` to its module's folder: what is wrong with it, or None."""
    target, _, rest = included.partition("/")
    if target not in LAYERS or not rest:
        return check_vendor(module, relative, included, quoted)
    if not quoted:
        return f'includes <{included}>; write "{included}"'
    if target == module:
        return None
    if target not in LAYERS[module]:
        return f"includes {included}, but {module} may use only: {', '.join(LAYERS[module]) or 'nothing'}"
    if "detail" in Path(rest).parts[:-1]:
        return f"includes {included}, a private part of {target}"
    return None


def check_test_include(owner, included):
    """A test or benchmark may use every module, but only the detail/ of the module it is named after."""
    target, _, rest = included.partition("/")
    if target in LAYERS and target != owner and "detail" in Path(rest).parts[:-1]:
        return f"includes {included}, a private part of {target}"
    return None


def check_readme(folder):
    readme = folder / "README.md"
    if not readme.is_file():
        return f"{folder}: has no README.md"
    count = len(readme.read_text(encoding="utf-8").splitlines())
    return f"{readme}: has {count} lines, more than {README_LINES}" if count > README_LINES else None


def check_module(root, module):
    folder = module_folder(root, module)
    if not folder.is_dir():
        return
    problem = check_readme(folder)
    if problem:
        yield problem
    unused = dict.fromkeys(LAYERS[module])
    for path in source_files(folder):
        for line, problem in check_shape(path):
            yield f"{path}:{line}: {problem}"
        for line, included, quoted in includes(path):
            unused.pop(included.partition("/")[0], None)
            problem = check_include(module, path.relative_to(folder), included, quoted)
            if problem:
                yield f"{path}:{line}: {problem}"
    for target in unused:
        yield f"{folder}: LAYERS of tools/check_layers.py allows {target}, but no file of {module} includes it"


def check_tests(root, folder):
    for path in source_files(root / folder):
        for line, problem in check_shape(path):
            yield f"{path}:{line}: {problem}"
        owner = path.relative_to(root / folder).parts[0]
        for line, included, _ in includes(path):
            problem = check_test_include(owner, included)
            if problem:
                yield f"{path}:{line}: {problem}"


def check_tree(root):
    known = set(LAYERS) - {"partition"}
    for folder in sorted((root / "src").iterdir()):
        if folder.is_dir() and folder.name not in known:
            yield f"{folder}: is not a module of LAYERS in tools/check_layers.py"
    for module in LAYERS:
        yield from check_module(root, module)
    for folder in ("tests", "bench"):
        yield from check_tests(root, folder)


# --- self-test --------------------------------------------------------------------------------------------------


def use(modules):
    """The text of a file that includes a header of each module."""
    return "\n".join(f'#include "{module}/header.hpp"' for module in modules)


# Name of the case -> files to add to a sound tree, and the words that the complaint must have (none: no complaint).
CASES = {
    "sound": ({}, None),
    "include upwards": ({"src/core/a.hpp": '#include "graph/b.hpp"'}, "core may use only: nothing"),
    "edge that no include uses": ({"src/kernels/uses.cpp": use(["core"])}, "allows device, but no file of kernels"),
    "include sideways": ({"src/train/a.hpp": '#include "evaluate/b.hpp"'}, "train may use only"),
    "storage must not know devices": ({"src/storage/a.hpp": '#include "device/b.hpp"'}, "storage may use only"),
    "kernels must not know comm": ({"src/kernels/cpu/a.cpp": '#include "comm/b.hpp"'}, "kernels may use only"),
    "engine must not know partition": ({"src/train/a.cpp": '#include "partition/b.hpp"'}, "train may use only"),
    "partition must not know comm": ({"partition/a.cpp": '#include "comm/b.hpp"'}, "partition may use only"),
    "detail of another": ({"src/model/a.cpp": '#include "kernels/detail/b.hpp"'}, "private part of kernels"),
    "own detail": ({"src/model/a.cpp": '#include "model/detail/b.hpp"'}, None),
    "detail in a foreign test": ({"tests/model/t.cpp": '#include "graph/detail/b.hpp"'}, "private part of graph"),
    "detail in its own test": ({"tests/graph/t.cpp": '#include "graph/detail/b.hpp"'}, None),
    "indented include": ({"src/core/a.hpp": '  #  include "graph/b.hpp"'}, "core may use only"),
    "angle brackets": ({"src/graph/a.hpp": "#include <core/b.hpp>"}, 'write "core/b.hpp"'),
    "no module": ({"src/graph/a.cpp": '#include "b.hpp"'}, "names no module"),
    "mpi.h in cli": ({"src/cli/a.cpp": "#include <mpi.h>"}, "whose home is comm"),
    "mpi.h at home": ({"src/comm/mpi/a.cpp": "#include <mpi.h>"}, None),
    "quoted vendor": ({"src/graph/a.cpp": '#include "hdf5.h"'}, "whose home is storage"),
    "metis.h outside": ({"src/graph/a.cpp": "#include <metis.h>"}, "whose home is partition"),
    "right module, wrong file": ({"src/core/log.cpp": "#include <omp.h>"}, "whose home is core/parallel, kernels"),
    "right file": ({"src/core/parallel.hpp": "#include <omp.h>"}, None),
    "zstd in the engine": ({"src/train/a.cpp": "#include <zstd.h>"}, "whose home is storage, attributes, partition"),
    "unknown library": ({"src/graph/a.cpp": "#include <boost/graph.hpp>"}, "has no home yet"),
    "gtest in a module": ({"src/graph/a.cpp": "#include <gtest/gtest.h>"}, "belongs in tests/"),
    "no SPDX lines": ({"src/core/a.hpp": None}, "SPDX"),
    "long header": ({"src/core/a.hpp": "\n" * HEADER_LINES}, "more than 250"),
    "long source": ({"tests/core/a.cpp": "\n" * SOURCE_LINES}, "more than 400"),
    "no README": ({"src/memory/a.hpp": use(LAYERS["memory"])}, "has no README.md"),
    "long README": ({"src/core/README.md": "line\n" * (README_LINES + 1)}, "more than 40"),
    "unknown module": ({"src/helpers/a.hpp": ""}, "is not a module"),
}
SOUND = {
    "src/core/text.hpp": "#include <vector>\n#include <sys/mman.h>\n#include <fmt/format.h>",
    "src/storage/file.cpp": '#include "core/text.hpp"\n#include <hdf5.h>\n#include <zstd.h>',
    "src/cli/main.cpp": '#include "partition/metis.hpp"\n#include <CLI/CLI.hpp>\n#include <spdlog/spdlog.h>',
    "partition/metis.cpp": '#include "graph/dictionary.hpp"\n#include <metis.h>',
    "tests/graph/graph_test.cpp": "#include <gtest/gtest.h>",
}


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    spdx = "\n".join(SPDX) + "\n" if path.suffix != ".md" and text is not None else ""
    path.write_text(spdx + (text or ""), encoding="utf-8")


def run_case(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for module in ("core", "storage", "graph", "comm", "kernels", "model", "train", "cli", "partition"):
            write(root, f"{module_folder(Path(), module)}/README.md", "# a module\n")
            write(root, f"{module_folder(Path(), module)}/uses.cpp", use(LAYERS[module]))
        for name, text in {**SOUND, **files}.items():
            write(root, name, text)
        return list(check_tree(root))


def self_test():
    failed = 0
    for name, (files, expected) in CASES.items():
        problems = run_case(files)
        if expected is None:
            passed = not problems
        else:
            passed = len(problems) == 1 and expected in problems[0]
        if not passed:
            failed += 1
            print(f"self-test '{name}': expected {expected!r}, got {problems}")
    print(f"self-test: {len(CASES) - failed} of {len(CASES)} cases passed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return 1 if self_test() else 0
    if not (arguments.root / "src").is_dir():
        print(f"check_layers.py: '{arguments.root}' has no src folder", file=sys.stderr)
        return 66
    problems = [p.replace(f"{arguments.root}/", "") for p in check_tree(arguments.root)]
    print("\n".join(problems) or "layers: all in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
