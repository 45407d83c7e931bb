# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running the program, a small graph, a job file."""

import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = None


def main():
    """Each test file is called with the path of the program."""
    global PROGRAM
    if len(sys.argv) < 2 or not Path(sys.argv[1]).exists():
        sys.exit("usage: the path of the tessera program as first argument")
    sys.modules["support"].PROGRAM = PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main(module="__main__", verbosity=2)


def environment(**extra):
    settings = dict(os.environ, OMPI_MCA_btl_vader_single_copy_mechanism="none", OMPI_MCA_rmaps_base_oversubscribe="1",
                    OMPI_MCA_mpi_yield_when_idle="1", OMP_NUM_THREADS="1")
    if os.getuid() == 0:
        settings.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    settings.update(extra)
    return settings


class Halves(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def digest(data):
    """XXH3-128, as the lists of checksums have it."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Halves
    halves = library.XXH3_128bits(data, ctypes.c_size_t(len(data)))
    return f"{halves.high:016x}{halves.low:016x}"


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tessera-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_program(self, *words, ranks=0, stdin=None, stdout=subprocess.PIPE, timeout=120, **extra):
        command = [PROGRAM, *(word if isinstance(word, bytes) else str(word) for word in words)]
        if ranks:
            command = [os.environ.get("TESSERA_MPIRUN", "mpirun"), "-n", str(ranks), "--bind-to", "none"] + command
        return subprocess.run(command, env=environment(**extra), cwd=self.folder, input=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=timeout)

    def succeed(self, *words, **options):
        done = self.run_program(*words, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def refuse(self, status, *words, says=(), **options):
        """The program ends with `status` and one message that holds every text of `says`; nothing is left behind."""
        before = self.names()
        done = self.run_program(*words, **options)
        message = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, message)
        lines = [line for line in message.splitlines() if line.startswith("tessera: ")]
        self.assertEqual(len(lines), 1, message)
        for text in says:
            self.assertIn(text, lines[0])
        self.assertEqual(self.names(), before, "something was left behind")
        return lines[0]

    def names(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def vouch(self, path):
        """Writes the line of a file in the list of checksums anew, as one who forges it would."""
        names = path.parent / "checksums.xxh3"
        lines = [line for line in names.read_text().splitlines() if line.split("  ")[1] != path.name]
        try:
            lines.append(f"{digest(path.read_bytes())}  {path.name}")
        except OSError:
            self.skipTest("libxxhash is missing")
        names.write_text("\n".join(lines) + "\n")

    def write_triples(self, name="triples.tsv", entities=60, relations=4, count=700, seed=1):
        """Random triples in which relation r leads from e to about e + 7 r: learnable, with some noise."""
        draw = random.Random(seed)
        lines = set()
        while len(lines) < count:
            relation = draw.randrange(relations)
            head = draw.randrange(entities)
            tail = (head + 7 * relation + draw.randrange(3)) % entities
            lines.add(f"e{head:03}\tr{relation}\te{tail:03}")
        return self.write(name, "\n".join(sorted(lines)) + "\n")

    def make_graph(self, parts=8, name="data.kg", seed=1):
        self.succeed("import", self.write_triples(f"{name}.tsv", seed=seed), "-o", name)
        self.succeed("partition", name, "--parts", parts)
        return self.folder / name

    def write_job(self, name="job.toml", **keys):
        settings = {"data.graph": '"data.kg"', "data.parts": 8, "run.folder": '"run"', "run.memory": '"256MiB"',
                    "model.dim": 16, "train.epochs": 4, "train.batch_size": 128, "negatives.count": 32,
                    "validate.every": 2, "run.watchdog_seconds": 20, **keys}
        return self.write(name, "".join(f"{key} = {value}\n" for key, value in settings.items()))
