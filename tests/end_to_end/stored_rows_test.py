# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Entity rows and states in fewer bytes, with the real program: from training to exports."""

import json
import shutil

import support
from support import ProgramTest

USAGE = 64
FORMATS = (("bf16", "fp32"), ("fp16", "fp32"), ("int8", "fp32"), ("fp32", "log8"), ("int8", "log8"))


class StoredRows(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()

    def keys(self, run, rows, state, mode, **more):
        return {"run.folder": f'"{run}"', "run.rows": f'"{rows}"', "optimiser.state": f'"{state}"',
                "memory.hot_rows": 0.1, "exchange.mode": f'"{mode}"', **more}

    def train(self, job, *words, ranks=0):
        return json.loads(self.succeed("train", job, "--json", *words, ranks=ranks))

    def evaluate(self, *words, ranks=0):
        result = json.loads(self.succeed("evaluate", "--json", *words, ranks=ranks))
        result.pop("seconds")
        return result

    def part_bytes(self, run):
        return sum(path.stat().st_size for path in (self.folder / run / "checkpoints" / "epoch-000004").glob("part-*.h5"))

    def test_train_continue_rank_answer_export(self):
        for rows, state in FORMATS:
            for mode in ("rows", "queries"):
                with self.subTest(rows=rows, state=state, mode=mode):
                    run = f"{rows}-{state}-{mode}"
                    whole = self.train(self.write_job(f"{run}.toml", **self.keys(run, rows, state, mode)), ranks=2)
                    halves = self.write_job(f"{run}-halves.toml", **self.keys(f"{run}-halves", rows, state, mode))
                    self.train(halves, "train.epochs=2", ranks=3)
                    self.assertEqual(self.train(halves, "--resume")["parameter_digest"], whole["parameter_digest"])
                    other = "run.rows=fp16" if rows != "fp16" else "run.rows=bf16"
                    self.refuse(USAGE, "train", halves, "--resume", "train.epochs=6", other, says=["run.rows"], ranks=2)

                    expected = self.evaluate(run)
                    self.assertGreater(expected["mrr"], 0)
                    self.assertEqual(self.evaluate(run, ranks=3), expected)
                    query = ["--query", "e000", "r1", "--json"]
                    answers = self.succeed("predict", run, *query)
                    self.assertEqual(self.succeed("predict", run, *query, ranks=2), answers)
                    self.succeed("export", run, "-o", f"{run}-model")
                    self.assertEqual(self.evaluate(f"{run}-model", ranks=2), expected)
                    self.assertEqual(self.succeed("predict", f"{run}-model", *query), answers)
                    self.succeed("info", run)

    def test_what_travels_depends_on_parts_and_not_on_ranks(self):
        digests = set()
        for form in ("fp32", "bf16", "int8"):
            with self.subTest(format=form):
                job = self.write_job(f"{form}.toml", **{"run.folder": f'"{form}"', "exchange.format": f'"{form}"', "exchange.mode": '"rows"'})
                whole = self.train(job)
                digests.add(whole["parameter_digest"])
                if form == "fp32":
                    continue
                self.assertEqual(self.train(job, f"run.folder={form}-3", "run.threads=2", ranks=3)["parameter_digest"],
                                 whole["parameter_digest"])
                self.train(job, "run.folder=halves", "train.epochs=2", ranks=2)
                self.assertEqual(self.train(job, "run.folder=halves", "--resume")["parameter_digest"], whole["parameter_digest"])
                self.refuse(USAGE, "train", job, "run.folder=halves", "--resume", "train.epochs=6", "exchange.format=fp32",
                            says=["exchange.format"])
                shutil.rmtree(self.folder / "halves")
        self.assertEqual(len(digests), 3)
        self.refuse(USAGE, "train", job, "exchange.mode=queries", "run.folder=x", says=["exchange.format", "moving rows"])
        self.refuse(USAGE, "train", job, "exchange.format=int4", "run.folder=x", says=["exchange.format", "int8"])

    def test_a_checkpoint_is_as_small_as_its_rows(self):
        sizes = {}
        for rows, state in (("fp32", "fp32"), ("bf16", "log8"), ("int8", "log8")):
            run = f"{rows}-{state}"
            self.train(self.write_job(**self.keys(run, rows, state, "queries", **{"model.dim": 1024})))
            sizes[run] = self.part_bytes(run)
        self.assertLess(sizes["bf16-log8"], 0.45 * sizes["fp32-fp32"])
        self.assertLess(sizes["int8-log8"], 0.35 * sizes["fp32-fp32"])


if __name__ == "__main__":
    support.main()
