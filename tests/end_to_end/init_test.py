# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera init` writes a job that trains as it is."""

import json

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
