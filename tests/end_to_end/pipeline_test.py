# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline with the real program, on one rank and many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import support
from support import ProgramTest

ORACLE = Path(__file__).resolve().parent.parent / "evaluate" / "oracle.py"


class Pipeline(ProgramTest):
    def train_and_rank(self, name, ranks, **extra):
        job = self.write_job(f"{name}.toml", **{"run.folder": f'"{name}"'})
        trained = json.loads(self.succeed("train", "--json", job, ranks=ranks, **extra))
        ranked = json.loads(self.succeed("evaluate", "--json", name, "--split", "test", ranks=ranks, **extra))
        return trained["parameter_digest"], ranked["rank_digest"]

    def test_same_bits_on_any_number_of_ranks_and_threads(self):
        self.make_graph()
        alone = self.train_and_rank("alone", 0)
        for ranks, threads in ((1, 2), (2, 1), (3, 1), (4, 2), (8, 1)):
            with self.subTest(ranks=ranks, threads=threads):
                self.assertEqual(self.train_and_rank(f"r{ranks}", ranks, OMP_NUM_THREADS=str(threads)), alone)

    def test_parts_given_out_unevenly_change_nothing_and_are_recorded(self):
        self.make_graph()
        digests = set()
        for number, (mode, ranks, placement) in enumerate(
                (mode, *given) for mode in ("rows", "queries") for given in ((1, "equal"), (2, "7,1"), (3, "1,2,5"), (2, "speed"))):
            job = self.write_job(f"{number}.toml", **{"run.folder": f'"{number}"', "exchange.mode": f'"{mode}"',
                                                      "run.placement": f'"{placement}"', "run.device": '"auto"'})
            digests.add((mode, json.loads(self.succeed("train", "--json", job, ranks=ranks))["parameter_digest"]))
            [start] = map(json.loads, (self.folder / str(number) / "starts.jsonl").read_text().splitlines())
            self.assertEqual(sum(rank["parts"] for rank in start["ranks"]), 8)
            if placement == "speed":
                self.assertTrue(all(rank["candidates_per_second"] > 0 for rank in start["ranks"]))
            if "," in placement:
                self.assertEqual(start["placement"], placement)
        self.assertEqual(len(digests), 2)
        # Continued with other shares: the record has both.
        longer = self.succeed("train", "1.toml", "train.epochs=5", "run.placement=auto", "--resume", ranks=4)
        starts = [json.loads(line) for line in (self.folder / "1" / "starts.jsonl").read_text().splitlines()]
        self.assertEqual([(start["after_epoch"], start["placement"]) for start in starts], [(0, "7,1"), (4, "2,2,2,2")], longer)

    def test_resuming_keeps_what_auto_meant(self):
        self.make_graph()
        whole = self.write_job("whole.toml", **{"run.folder": '"whole"', "exchange.mode": '"queries"'})
        expected = json.loads(self.succeed("train", "--json", whole))["parameter_digest"]
        auto = self.write_job("auto.toml", **{"run.folder": '"auto"', "exchange.mode": '"auto"'})
        self.succeed("train", auto, "train.epochs=2", "exchange.mode=queries")  # as where there is a device
        last = json.loads(self.succeed("train", "--json", auto, "--resume", ranks=2))
        self.assertEqual(last["parameter_digest"], expected)

    def test_resuming_on_other_ranks_changes_nothing(self):
        self.make_graph()
        for staleness in (0, 1):
            keys = {"exchange.staleness": staleness}
            whole = self.write_job("whole.toml", **keys, **{"run.folder": f'"whole{staleness}"'})
            expected = json.loads(self.succeed("train", "--json", whole, ranks=2))["parameter_digest"]
            parts = self.write_job("parts.toml", **keys, **{"run.folder": f'"parts{staleness}"'})
            self.succeed("train", parts, "train.epochs=2", ranks=3)
            self.succeed("train", parts, "train.epochs=3", "--resume", ranks=1)
            last = json.loads(self.succeed("train", "--json", parts, "--resume", ranks=4))
            self.assertEqual(last["parameter_digest"], expected)
            lines = (self.folder / f"parts{staleness}" / "metrics.jsonl").read_text().splitlines()
            self.assertEqual([json.loads(line)["epoch"] for line in lines], [1, 2, 3, 4])

    def test_averages_survive_a_resume_and_are_what_is_ranked(self):
        self.make_graph()
        keys = {"optimiser.name": '"adam"', "optimiser.learning_rate": 0.02, "schedule.name": '"plateau"',
                "schedule.patience": 1, "validate.every": 1, "average.decay": 0.8}
        whole = self.write_job("whole.toml", **keys, **{"run.folder": '"whole"'})
        expected = json.loads(self.succeed("train", "--json", whole, ranks=2))["parameter_digest"]
        parts = self.write_job("parts.toml", **keys, **{"run.folder": '"parts"'})
        self.succeed("train", parts, "train.epochs=2", ranks=3)
        last = json.loads(self.succeed("train", "--json", parts, "--resume", ranks=1))
        self.assertEqual(last["parameter_digest"], expected)
        plain = self.write_job("plain.toml", **{**keys, "average.decay": 0, "run.folder": '"plain"'})
        self.succeed("train", plain)
        ranked = {run: json.loads(self.succeed("evaluate", "--json", run, "--epoch", "4"))["rank_digest"]
                  for run in ("whole", "parts", "plain")}
        self.assertEqual(ranked["whole"], ranked["parts"])
        self.assertNotEqual(ranked["whole"], ranked["plain"])

    def test_ranks_equal_a_brute_force_oracle(self):
        self.make_graph()
        self.succeed("train", self.write_job(), ranks=2)
        self.succeed("evaluate", "run", "--split", "test", ranks=2)
        done = subprocess.run([sys.executable, ORACLE, "--graph", "data.kg", "--parts", "8", "--run", "run"], cwd=self.folder,
                              capture_output=True, text=True)
        if done.returncode == 77:
            self.skipTest(done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_evaluation_by_group_and_among_candidates(self):
        self.make_graph()
        self.succeed("train", self.write_job(), ranks=2)
        groups = ("--by", "relation", "--by", "class,degree")
        text = self.succeed("evaluate", *groups, "run")
        for words in ("all 60 entities", "% interval", "by relation class", "by training degree", "r3"):
            self.assertIn(words, text)
        exact = [json.loads(self.succeed("evaluate", "run", "--json", *groups, ranks=ranks)) for ranks in (1, 3)]
        for result in exact:
            result.pop("seconds")
            for rows in result["by"].values():
                self.assertEqual(sum(row["both"]["queries"] for row in rows), result["all"]["queries"])
        self.assertEqual(exact[0], exact[1])

        triples = [line.split("\t") for line in (self.folder / "data.kg.tsv").read_text().splitlines()]
        lines = ["\t".join([*triple, end, "e001", "e017", "e033"]) for triple in triples for end in ("head", "tail")]
        listed = self.write("candidates.tsv", "\n".join(lines))
        before = (self.folder / "run" / "evaluation-test.h5").read_bytes()
        self.assertIn("NOT THE EXACT FIGURE", self.succeed("evaluate", "run", "--candidates", listed))
        extra = [json.loads(self.succeed("evaluate", "run", "--json", "--candidates", listed, ranks=r)) for r in (1, 4)]
        self.assertEqual(extra[0]["rank_digest"], extra[1]["rank_digest"])
        self.assertFalse(extra[0]["exact"])
        self.assertLessEqual(extra[0]["mean_candidates"], 4)
        self.assertEqual(extra[0]["all"]["realistic"]["hits_at_10"], 1)
        self.assertEqual((self.folder / "run" / "evaluation-test.h5").read_bytes(), before)
        self.assertIn("evaluation", self.succeed("info", "run/evaluation-test-candidates.h5"))

    def test_predicts_by_name(self):
        self.make_graph()
        self.succeed("train", self.write_job(**{"train.epochs": 30}), ranks=2)
        typed = self.succeed("predict", "run", "--query", "e000", "r1", "-k", "5")
        self.assertEqual(typed, self.succeed("predict", "run", "--query", "e000", "r1", "-k", "5", ranks=3))
        answers = [json.loads(line) for line in
                   self.succeed("predict", "run", "--query", "e000", "r1", "-k", "3", "--json").splitlines()]
        self.assertEqual(len(answers), 1)
        queries = self.write("queries.tsv", "e000\tr1\n?\tr2\te010\n")
        self.succeed("predict", "run", "--queries", queries, "-o", "answers.h5", ranks=2)
        self.assertIn("predictions", self.succeed("info", "answers.h5"))

    def test_info_knows_everything_that_is_written(self):
        self.make_graph()
        trained = json.loads(self.succeed("train", "--json", self.write_job()))
        ranked = json.loads(self.succeed("evaluate", "--json", "run"))
        self.succeed("predict", "run", "--query", "e000", "r1", "-o", "answers.h5")
        checkpoint = sorted((self.folder / "run" / "checkpoints").iterdir())[-1].relative_to(self.folder)
        expected = {"data.kg": "graph", "data.kg/graph.h5": "graph", "data.kg/parts-8": "partition",
                    "data.kg/parts-8/manifest.h5": "partition", "data.kg/parts-8/part-0003.h5": "part", "run": "run",
                    "run/job.toml": "job", "run/metrics.jsonl": "metrics log", "run/metrics.h5": "metrics",
                    "run/evaluation-test.h5": "evaluation", "run/checkpoints": "checkpoints", "run/checkpoints/": "checkpoints",
                    str(checkpoint): "checkpoint", f"{checkpoint}/manifest.h5": "checkpoint",
                    f"{checkpoint}/part-0000.h5": "checkpoint part", "answers.h5": "predictions",
                    "run/checksums.xxh3": "checksums", "data.kg/checksums.xxh3": "checksums"}
        for path, what in expected.items():
            with self.subTest(path=path):
                self.assertEqual(json.loads(self.succeed("info", "--json", path))["what"], what)
        for path in [name for name in self.names() if name not in ("job.toml", "data.kg.tsv")]:
            with self.subTest(path=path):
                self.succeed("info", path)
        info = {path: json.loads(self.succeed("info", "--json", path)) for path in expected}
        for metrics in (info["run/metrics.h5"], info["run/metrics.jsonl"], info["run"]["metrics"]):
            self.assertEqual(metrics["epochs"], 4)
            self.assertEqual(metrics["last loss"], trained["loss"])
            self.assertEqual(metrics["best validation MRR"], trained["best_validation_mrr"])
        for results in (info["run/evaluation-test.h5"], info["run"]["results"]["evaluation-test.h5"]):
            self.assertEqual(results["split"], "test")
            self.assertAlmostEqual(results["MRR"], ranked["realistic"]["mrr"] if "realistic" in ranked else ranked["mrr"])

    def test_info_ends_quietly_when_nobody_reads(self):
        self.make_graph(parts=40)
        with subprocess.Popen([support.PROGRAM, "info", "data.kg/parts-40"], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as program:
            program.stdout.close()
            self.assertEqual(program.stderr.read(), b"")

    def test_names_of_files_need_not_be_utf8(self):
        text = self.folder / os.fsdecode(b"na\xefve.tsv")
        text.write_bytes(self.write_triples().read_bytes())
        self.succeed("import", text, "-o", "data.kg")
        info = json.loads(self.succeed("info", "--json", "data.kg"))
        self.assertIn("na\\xefve.tsv", info["sources"][0])
        self.assertIn("na\\xefve.tsv", json.loads(self.succeed("info", "--json", "data.kg/graph.h5"))["command_line"])
        self.succeed("partition", "data.kg", "--parts", 4)

    def test_lost_results_are_a_failure(self):
        self.make_graph()
        self.succeed("train", self.write_job())
        for words in (["info", "data.kg"], ["info", "--json", "data.kg"], ["evaluate", "run"], ["--version"], ["train", "--help"],
                      ["predict", "run", "--query", "e000", "r1"]):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                done = self.run_program(*words, stdout=full)
                message = done.stderr.decode()
                self.assertEqual(done.returncode, 74, message)
                self.assertIn("tessera: the results could not be written to standard output", message)


if __name__ == "__main__":
    support.main()
