# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Training with the rows of some parts in memory: the same bits on any ranks, after a stop and after a kill."""

import json

import support

USAGE, OVER_BUDGET, IO_ERROR, STOPPED = 64, 69, 74, 75


class Rounds(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph(parts=16)

    def job(self, name="run", **keys):
        return self.write_job(**{"data.parts": 16, "run.folder": f'"{name}"', "memory.resident_parts": 4, "negatives.count": 16,
                                 "train.epochs": 3, "validate.every": 3, "exchange.mode": '"rows"', **keys})

    def train(self, name, ranks=1, words=(), **keys):
        result = json.loads(self.succeed("train", "--json", self.job(name, **keys), *words, ranks=ranks))
        self.assertFalse((self.folder / f"{name}.working").exists(), "the working copy stays behind")
        return result["parameter_digest"]

    def test_ranks_change_no_bit(self):
        formats = {
            "fp32": {},
            "bf16": {"run.rows": '"bf16"', "optimiser.state": '"log8"'},
            "int8": {"run.rows": '"int8"', "optimiser.name": '"rowwise_adagrad"', "memory.hot_rows": 0.1},
            "adam": {"optimiser.name": '"adam"', "optimiser.learning_rate": 0.01},
            "queries": {"exchange.mode": '"queries"'},
            "eight": {"memory.resident_parts": 8},
            "sgd, five": {"optimiser.name": '"sgd"', "memory.resident_parts": 5},
        }
        seen = set()
        for name, keys in formats.items():
            with self.subTest(name):
                digests = {self.train(f"{name}-{ranks}", ranks, **keys) for ranks in (1, 2, 3)}
                self.assertEqual(len(digests), 1)
                self.assertFalse(digests & seen)
                seen |= digests
                mrr = {json.loads(self.succeed("evaluate", "--json", f"{name}-{ranks}", ranks=other))["mrr"]
                       for ranks, other in ((1, 2), (2, 1))}
                self.assertEqual(len(mrr), 1)

    def test_a_continued_run_has_the_bits_of_one_that_never_stopped(self):
        whole = self.train("whole")
        job = self.job("stopped", **{"train.epochs": 2})
        self.succeed("train", job)
        again = json.loads(self.succeed("train", "--json", "--resume", job, "train.epochs=3", ranks=2))
        self.assertEqual(again["parameter_digest"], whole)
        self.refuse(USAGE, "train", "--resume", job, "train.epochs=4", "memory.resident_parts=8",
                    says=["memory.resident_parts"])

    def test_a_kill_while_parts_move_loses_what_came_after_the_checkpoint_only(self):
        whole = self.train("whole")
        job = self.job("killed", **{"train.epochs": 1, "validate.every": 1})
        self.succeed("train", job)
        for ranks, nth in ((1, 20), (2, 30)):
            done = self.run_program("train", "--resume", job, "train.epochs=3", "validate.every=3", ranks=ranks,
                                    TESSERA_FAULT=f"rounds.move:{ranks - 1}:{nth}:kill")
            self.assertNotEqual(done.returncode, 0)
        again = json.loads(self.succeed("train", "--json", "--resume", job, "train.epochs=3", "validate.every=3"))
        self.assertEqual(again["parameter_digest"], whole)

    def test_files_of_parts_that_were_not_in_memory_are_linked(self):
        whole = self.train("whole")
        job = self.job("often", **{"checkpoint.every": '"0.000001s"', "checkpoint.keep": 3})
        for ranks in (2, 1):
            done = self.run_program("train", "--resume", job, ranks=ranks, TESSERA_FAULT="rounds.move:0:6:signal")
            self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
            folders = sorted((self.folder / "often" / "checkpoints").iterdir())
            self.assertEqual(len(folders), 3, folders)
            for before, after in zip(folders, folders[1:]):
                same = [path.name for path in after.glob("part-*.h5") if path.samefile(before / path.name)]
                self.assertEqual(len(same), 12, same)
        again = json.loads(self.succeed("train", "--json", "--resume", job))
        self.assertEqual(again["parameter_digest"], whole)

    def test_a_failing_move_stops_all_ranks_with_a_message(self):
        done = self.run_program("train", self.job(), ranks=2, TESSERA_FAULT="rounds.move:1:5:throw")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("rounds.move", done.stderr.decode())
        self.assertFalse((self.folder / "run.working").exists())

    def test_the_folder_for_other_rows_is_shared_and_keeps_what_it_had(self):
        shared = self.folder / "scratch"
        shared.mkdir()
        (shared / "mine.txt").write_text("mine")
        folder = {"memory.folder": f'"{shared}"'}
        self.assertEqual(self.train("a", 2, **folder), self.train("b", **folder))
        done = self.run_program("train", self.job("c", **folder), ranks=2, TESSERA_FAULT="rounds.move:1:5:throw")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual([path.name for path in shared.rglob("*") if path.is_file()], ["mine.txt"])

    def test_auto_goes_by_the_budget(self):
        keys = {"memory.resident_parts": '"auto"', "model.dim": 512}
        self.train("plenty", **keys)
        self.assertIn("resident_parts = 'all'", (self.folder / "plenty/job.toml").read_text())
        self.refuse(OVER_BUDGET, "train", self.job("tiny", **keys, **{"run.memory": '"200KiB"'}))

    def test_a_model_larger_than_memory_is_ranked_and_asked_with_the_same_results(self):
        lines = "".join(f"n{i}\tnext\tn{(i * 7 + 1) % 20000}\n" for i in range(20000))
        self.succeed("import", self.write("large.tsv", lines), "--test-fraction", 0.005, "-o", "large.kg")
        self.succeed("partition", "large.kg", "--parts", 16, "--method", "random")
        for form, budget in (("fp32", "70MiB"), ("int8", "38MiB")):
            with self.subTest(form):
                self.train(f"large-{form}", 2, **{"data.graph": '"large.kg"', "model.dim": 1024, "run.rows": f'"{form}"',
                                                  "run.memory": '"100MiB"', "train.epochs": 1, "validate.every": 0})
                answers = set()
                for memory in ("300MiB", budget):
                    words = (f"large-{form}", f"run.memory={memory}")
                    ranked = self.run_program("evaluate", "--json", *words)
                    self.assertEqual(ranked.returncode, 0, ranked.stderr.decode())
                    self.assertEqual(b"from the files of the checkpoint" in ranked.stderr, memory == budget)
                    asked = self.succeed("predict", "--json", *words, "--query", "n5", "next")
                    answers.add((json.loads(ranked.stdout)["mrr"], asked))
                self.assertEqual(len(answers), 1)

    def test_settings_that_do_not_fit(self):
        for keys, says in (({"memory.resident_parts": 1}, ["memory.resident_parts", "from 2 to"]),
                           ({"memory.resident_parts": 17}, ["memory.resident_parts", "17"]),
                           ({"memory.resident_parts": '"most"'}, ["memory.resident_parts", '"most"', "number", "all"]),
                           ({"negatives.scope": '"all"', "exchange.mode": '"auto"'}, ["negatives.scope"]),
                           ({"average.decay": 0.5}, ["average.decay"])):
            with self.subTest(**keys):
                self.refuse(USAGE, "train", self.job(**keys), says=says)
        self.refuse(USAGE, "train", self.job(**{"memory.resident_parts": 2}), says=["resident_parts is 2", "3 ranks"], ranks=3)
        self.refuse(IO_ERROR, "train", self.job(**{"memory.folder": '"/dev/null/tables"'}), says=["/dev/null/tables"])


if __name__ == "__main__":
    support.main()
