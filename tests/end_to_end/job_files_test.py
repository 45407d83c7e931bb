# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Every job file in jobs/ is one that the program accepts, and the small ones keep their promise."""

import json
import os
from pathlib import Path

import support
from support import ProgramTest

ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = sorted((ROOT / "jobs").rglob("*.toml"))
DATA = Path(os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))


class JobFiles(ProgramTest):
    def test_there_are_some(self):
        self.assertGreater(len(JOBS), 1)

    def test_each_is_accepted(self):
        for job in JOBS:
            with self.subTest(job=job.name):  # its graph is not there: everything before that was in order
                self.refuse(66, "train", job, "data.graph=nowhere.kg", "run.device=cpu", says=["nowhere.kg"])

    def test_each_for_a_gpu_is_one_that_fits_it(self):
        for job in (ROOT / "jobs" / "gpu").glob("*.toml"):
            with self.subTest(job=job.name):
                done = self.run_program("train", job, "data.graph=nowhere.kg")
                self.assertRegex(done.stderr.decode(), "built without CUDA|no device: |nowhere.kg")
                self.assertIn("\nparts = 1\n", job.read_text())


class SmallJobs(ProgramTest):
    """The jobs that take seconds reach the metric that they promise."""

    def reach(self, data, job):
        source = DATA / data
        if not source.exists():
            self.skipTest(f"{data} is not in {DATA}")
        splits = [f"--{split}={source / split}.tsv.zst" for split in ("train", "valid", "test")]
        self.succeed("import", *splits, "--allow-unseen", "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        words = [ROOT / "jobs" / f"{job}.toml", "data.graph=data.kg", "run.folder=run"]
        self.succeed("train", *words, ranks=2, timeout=300)
        self.succeed("evaluate", "run", "--split", "test", "--check", ranks=2)

    def test_umls(self):
        self.reach("UMLS", "umls-complex")

    def test_kinship(self):
        self.reach("Kinship", "kinship-complex")

    def test_a_missed_metric_is_an_error(self):
        self.make_graph()
        job = self.write_job(**{"expect.mrr": 0.999, "train.epochs": 1})
        self.succeed("train", job)
        done = self.run_program("evaluate", "run", "--check")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("0.999", done.stderr.decode())

    def test_the_job_file_that_is_named_says_what_is_expected(self):
        self.make_graph()
        self.succeed("train", self.write_job(**{"expect.mrr": 0.001, "train.epochs": 1}))
        self.succeed("evaluate", "job.toml", "--check")
        self.write_job(**{"expect.mrr": 0.999, "train.epochs": 1})
        self.assertEqual(self.run_program("evaluate", "job.toml", "--check").returncode, 65)
        self.succeed("evaluate", "run", "--check")

    def test_a_tolerance_lowers_what_is_demanded(self):
        self.make_graph()
        self.succeed("train", self.write_job(**{"train.epochs": 1}))
        mrr = json.loads(self.succeed("evaluate", "run", "--json"))["mrr"]
        check = ["evaluate", "run", "--check", f"expect.mrr={mrr + 0.05}"]
        self.succeed(*check, "expect.tolerance=0.06", ranks=2)
        for tolerance in (0, 0.04):
            done = self.run_program(*check, f"expect.tolerance={tolerance}")
            self.assertEqual(done.returncode, 65)
        self.assertIn("tolerance of 0.04", done.stderr.decode())


if __name__ == "__main__":
    support.main()
