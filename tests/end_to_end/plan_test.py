# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera plan`, against the memory that whole runs take; and jobs that do not fit."""

import json
import os
import random
import re
import subprocess

import support


class PlanTest(support.ProgramTest):
    def plan(self, *words):
        return json.loads(self.succeed("plan", "job.toml", "--json", *words))

    def peak_bytes(self, *words):
        """The peak of the resident set of a process, by the system, and what it wrote to stderr."""
        log = self.folder / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen([support.PROGRAM, *map(str, words)], env=support.environment(), cwd=self.folder,
                                       stdout=subprocess.DEVNULL, stderr=stderr)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, log.read_text())
        return usage.ru_maxrss * 1024, log.read_text()

    def make_large_graph(self):
        draw = random.Random(7)
        lines = {f"e{i}\tr{draw.randrange(9)}\te{draw.randrange(30000)}" for i in range(30000) for _ in range(2)}
        triples = self.write("large.tsv", "\n".join(sorted(lines)) + "\n")
        self.succeed("import", triples, "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8, "--method", "random")

    def test_runs_take_what_was_planned(self):
        self.make_large_graph()
        self.write_job(**{"model.dim": 512, "run.memory": '"2GiB"', "train.epochs": 1, "validate.every": 1,
                          "validate.max_triples": 50, "run.threads": 1, "train.batch_size": 4096})
        planned = self.plan()["stages"]
        peak, log = self.peak_bytes("train", "job.toml")
        used = float(re.search(r"peak memory of this rank: ([\d.]+) MiB", log).group(1)) * 2**20
        self.assertGreater(used, 200 * 2**20)
        self.assertLess(abs(used / planned["train"]["pool_bytes"] - 1), 0.02, log)
        self.assertLess(abs(peak / planned["train"]["all_bytes"] - 1), 0.05, (peak, planned["train"]))
        peak, _ = self.peak_bytes("evaluate", "run")
        self.assertLess(abs(peak / planned["evaluate"]["all_bytes"] - 1), 0.05, (peak, planned["evaluate"]))
        peak, _ = self.peak_bytes("predict", "run", "--query", "e1", "r1")
        self.assertLess(abs(peak / planned["predict"]["all_bytes"] - 1), 0.05, (peak, planned["predict"]))
        peak, _ = self.peak_bytes("export", "run", "-o", "model")
        self.assertLess(abs(peak / planned["export"]["all_bytes"] - 1), 0.05, (peak, planned["export"]))

    def test_plans_without_a_graph_and_without_parts(self):
        self.write_job()
        sizes = ["--entities", 1000000, "--relations", 100, "--triples", 5000000]
        planned = self.plan("run.memory=1GiB", "model.dim=128", *sizes)
        self.assertTrue(planned["is_estimate"])
        self.assertGreater(planned["stages"]["train"]["by_purpose"]["rows"], 512 * 10**6)
        self.assertFalse(planned["fits"])
        self.assertGreater(planned["smallest"]["ranks"], 1)
        self.assertIn("optimiser.name=rowwise_adagrad", [one["setting"] for one in planned["settings"]])
        self.succeed("import", self.write_triples(), "-o", "data.kg")
        self.assertTrue(self.plan()["is_estimate"])
        self.succeed("partition", "data.kg", "--parts", 8)
        self.assertFalse(self.plan("--ranks", 2)["is_estimate"])
        text = self.succeed("plan", "job.toml", "--nodes", 2, "--ranks-per-node", 2, "--measure")
        for words in ("4 ranks on 2 nodes", "outside the pool", "fits the budget", "s for each epoch", "METIS"):
            self.assertIn(words, text)

    def test_what_does_not_fit_is_refused_before_anything_is_loaded(self):
        self.make_graph()
        self.write_job(**{"run.memory": '"300KiB"'})
        message = self.refuse(69, "train", "job.toml", says=["'train' needs", "rows", "'tessera plan' says more"])
        self.assertNotIn("more is needed for", message)
        self.refuse(69, "train", "job.toml", "train.group_queries=true", "negatives.scope=all", says=["'train' needs"])
        self.refuse(69, "train", "job.toml", ranks=2, says=["'train' needs"])
        self.succeed("train", "job.toml", "run.memory=64MiB")
        self.refuse(69, "evaluate", "run", "run.memory=10KiB", says=["'evaluate' needs"])
        self.refuse(69, "predict", "run", "run.memory=10KiB", "--query", "e001", "r1", says=["'predict' needs"])

    def test_with_parts_on_disk_there_are_no_more_ranks_than_parts_in_memory(self):
        self.make_graph()
        self.write_job(**{"memory.resident_parts": 4, "exchange.mode": '"rows"'})
        self.assertEqual(self.plan("--ranks", 2)["smallest"]["ranks"], 1)
        self.refuse(64, "plan", "job.toml", "--ranks", 5, says=["memory.resident_parts is 4", "5 ranks"])

    def test_wrong_words(self):
        self.make_graph()
        self.write_job()
        self.refuse(64, "plan", "job.toml", "run.memory=0", says=["run.memory"])
        self.refuse(64, "plan", "job.toml", "no.key=1", says=["no.key"])
        self.refuse(64, "plan", "job.toml", "--ranks", 9, says=["9 ranks cannot share 8 parts"])
        self.refuse(64, "plan", "job.toml", "--nodes", 3, "--ranks-per-node", 3, says=["9 ranks cannot share 8 parts"])
        self.refuse(64, "plan", "job.toml", "--ranks", 0, says=["--ranks"])
        self.refuse(64, "plan", "job.toml", "--ranks", 2, "--nodes", 2, says=["either --ranks"])
        self.refuse(64, "plan", "job.toml", "--entities", 100, says=["--relations"])
        self.refuse(66, "plan", "job.toml", "data.graph=other.kg", says=["other.kg", "--entities"])
        self.refuse(64, "plan", "job.toml", "loss.name=bce", says=["bce"])


if __name__ == "__main__":
    support.main()
