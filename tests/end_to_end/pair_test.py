# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""bench/pair.py on tiny data: every row, the same bits or others, what is missing. Times are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import support
from support import ProgramTest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True
import pair  # noqa: E402

ROWS = {"exact": 6, "sampled": 4, "evaluate": 2}


class Pair(ProgramTest):
    def setUp(self):
        super().setUp()
        for build in ("old", "new"):
            (self.folder / build / "bin").mkdir(parents=True)
        self.program("old")
        self.program("new")
        (self.folder / "data" / "FB15k-237").mkdir(parents=True)
        for seed, split in enumerate(("train", "valid", "test")):  # import looks at the content, not at the name
            self.write_triples(f"data/FB15k-237/{split}.tsv.zst", count=300 if split == "train" else 100, seed=seed)

    def program(self, build, first=""):
        """The program, after some lines of shell."""
        path = self.folder / build / "bin" / "tessera"
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\n{first}\nexec {support.PROGRAM} "$@"\n')
        path.chmod(0o755)

    def pair(self, *words, status=0):
        """Runs the command; what it printed, and its rows."""
        done = subprocess.run([sys.executable, BENCH / "pair.py", "old", "new", "--quick", "--data", "data", "--work", "work",
                               *map(str, words)], cwd=self.folder, env=support.environment(), capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        if status != 0:
            return done.stderr, []
        return done.stdout, json.loads((self.folder / "work" / "pair.json").read_text())

    def test_every_row(self):
        out, rows = self.pair("--pairs", 1)
        for name, count in ROWS.items():
            self.assertEqual(len([row for row in rows if row["benchmark"] == name]), count, name)
        self.assertEqual(len({(row["benchmark"], row["what"]) for row in rows}), len(rows))
        self.assertEqual(out.count("  same\n"), len(rows), out)
        for row in rows:
            for sample in row["old"] + row["new"]:
                self.assertGreater(sample["seconds"], 0)
                self.assertGreater(sample["cpu_seconds"], 0)
                self.assertGreater(sample["process_bytes"], 2**20)
                self.assertEqual(sample["pool_bytes"] > 0, row["benchmark"] != "evaluate")

    def test_builds_take_turns(self):
        for build in ("old", "new"):
            self.program(build, f'[ "$1" != evaluate ] || echo {build} >>"{self.folder}/turns"')
        out, rows = self.pair("--pairs", 3, "evaluate")
        turns = (self.folder / "turns").read_text().split()
        self.assertEqual(turns, [build for ranks in (2, 1) for _ in range(3) for build in ("old", "new") for _ in range(ranks)])
        self.assertEqual([len(row["ratios"]) for row in rows], [3, 3])
        self.assertIn("new/old", out)

    def test_other_bits_are_named(self):
        self.program("new", '[ "$1" != train ] || set -- "$@" run.seed=2')
        out, rows = self.pair("--pairs", 1, "sampled")
        self.assertEqual(out.count("  DIFFER\n"), len(rows), out)

    def test_a_build_that_fails(self):
        self.program("new", "echo broken >&2; exit 70")
        message, _ = self.pair("sampled", status=1)
        self.assertIn("failed with 70", message)
        self.assertIn("broken", message)
        (self.folder / "new" / "bin" / "tessera").unlink()
        message, _ = self.pair("sampled", status=1)
        self.assertIn("new/bin/tessera is missing", message)

    def test_what_is_not_there(self):
        out, rows = self.pair("--data", "nowhere")
        self.assertEqual(out.count("skipped: FB15k-237 is not in"), len(ROWS), out)
        self.assertEqual(rows, [])
        message, _ = self.pair("nothing", status=2)
        self.assertIn("exact, sampled, evaluate", message)
        self.pair("--pairs", 0, status=2)

    def test_spread(self):
        self.assertEqual(pair.spread([1.5]), [1.5] * 5)
        self.assertEqual(pair.spread([5, 1, 3, 2, 4]), [1, 2, 3, 4, 5])


if __name__ == "__main__":
    support.main()
