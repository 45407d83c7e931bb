# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera init` writes a job that trains as it is."""

import json
import random

import support
from support import ProgramTest

USAGE, MISSING = 64, 66


class Init(ProgramTest):
    def test_the_job_trains(self):
        self.succeed("import", self.write_triples(), "--valid-fraction", "0.1", "--test-fraction", "0.1", "-o", "data.kg")
        self.succeed("init", "data.kg")
        text = (self.folder / "job.toml").read_text()
        self.assertIn("# A job for 'data.kg': 60 entities", text)
        for line in text.splitlines():
            if " = " in line and not line.startswith("#") and line.split(" = ")[0] not in ("graph", "name", "learning_rate"):
                self.assertIn("# ", line, "a key without a comment")
        self.succeed("partition", "job.toml")
        self.succeed("train", "job.toml", "train.epochs=20", ranks=2)
        self.assertGreater(json.loads(self.succeed("evaluate", "--json", "job.toml"))["mrr"], 0.2)

    def test_a_job_of_graph_and_folder_is_trained_alike(self):
        self.succeed("import", self.write_triples(), "--valid-fraction", "0.1", "--test-fraction", "0.1", "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        self.succeed("init", "data.kg")
        self.write("short.toml", 'data.graph = "data.kg"\nrun.folder = "short-run"\nvalidate.every = 2\n')
        digests = []
        for job in ("job.toml", "short.toml"):
            done = self.run_program("train", job, "train.epochs=4", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            digests.append(json.loads(done.stdout)["parameter_digest"])
        self.assertEqual(digests[0], digests[1])
        self.assertIn("'short.toml' leaves the model and its training to the program: model.name=complex", done.stderr.decode())
        self.assertIn("every = 2\n", (self.folder / "short-run/job.toml").read_text())  # what the file says stays
        self.write("own.toml", 'data.graph = "data.kg"\nrun.folder = "own-run"\nmodel.dim = 8\ntrain.epochs = 1\n')
        self.succeed("train", "own.toml")
        self.assertIn("scope = 'global'", (self.folder / "own-run/job.toml").read_text())

    def test_the_first_validation_as_the_best_is_warned_of(self):
        draw = random.Random(3)  # heads and tails of two halves that only chance has paired: there is nothing to learn but the halves
        lines = {f"e{draw.randrange(60)}\tr\te{draw.randrange(60, 120)}\n" for _ in range(500)}
        self.succeed("import", self.write("t.tsv", "".join(sorted(lines))), "--valid-fraction", "0.2", "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        done = self.run_program("train", self.write_job(**{"train.epochs": 6, "validate.every": 2, "model.dim": 64}))
        self.assertIn("the first validation, after epoch 2, was the best of 3", done.stderr.decode())

    def test_graphs_without_a_valid_split_and_with_a_partition(self):
        self.make_graph(parts=3)
        self.succeed("init", "data.kg", "-o", "mine.toml")
        text = (self.folder / "mine.toml").read_text()
        self.assertIn("parts = 3 ", text)
        self.assertIn('folder = "mine-run"', text)
        self.succeed("train", "mine.toml", "train.epochs=1")

    def test_what_is_there_is_kept(self):
        self.make_graph()
        self.write("job.toml", "mine")
        self.refuse(USAGE, "init", "data.kg", says=["job.toml", "-o"])
        self.assertEqual((self.folder / "job.toml").read_text(), "mine")
        self.refuse(MISSING, "init", "nowhere.kg", "-o", "new.toml", says=["nowhere.kg"])


if __name__ == "__main__":
    support.main()
