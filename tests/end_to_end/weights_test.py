# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of triples: import, files, training on any ranks, and what is refused."""

import json
import random
import sys
from pathlib import Path

import support

ROOT = Path(__file__).resolve().parents[2]
USAGE, BAD_DATA = 64, 65
COLUMNS = ("--head", "x", "--relation", "rel", "--tail", "y")

try:
    import h5py

    sys.path.insert(0, str(ROOT / "docs" / "formats"))
    import read_queries
except ImportError:
    h5py = None


class Weights(support.ProgramTest):
    def table(self, name, weight, seed=1):
        """A table of distinct triples; `weight` draws the text of each weight."""
        draw = random.Random(seed)
        lines = self.write_triples(f"{name}.tsv", count=500).read_text().splitlines()
        rows = [line.split("\t") + [weight(draw)] for line in lines]
        self.write(f"{name}.csv", "x,rel,y,w\n" + "".join(",".join(row) + "\n" for row in rows))
        return rows

    def graph(self, name, weight=lambda draw: str(draw.randrange(5) / 2), parts=6, weighted=True):
        rows = self.table(name, weight)
        self.succeed("import", f"{name}.csv", *COLUMNS, *(("--weight", "w") if weighted else ()), "-o", f"{name}.kg")
        self.succeed("partition", f"{name}.kg", "--parts", parts)
        return rows

    def train(self, graph, run, ranks=0, **keys):
        job = self.write_job(**{"data.graph": f'"{graph}.kg"', "data.parts": 6, "run.folder": f'"{run}"', "train.epochs": 3,
                                "validate.every": 3, **keys})
        return json.loads(self.succeed("train", "--json", job, ranks=ranks))["parameter_digest"]

    SETTINGS = {
        "rows": {"exchange.mode": '"rows"'},
        "margin": {"exchange.mode": '"rows"', "loss.name": '"margin"'},
        "self": {"exchange.mode": '"rows"', "loss.name": '"self_adversarial"'},
        "queries": {"exchange.mode": '"queries"', "negatives.scope": '"all"'},
        "sampled": {"exchange.mode": '"queries"'},
        "grouped": {"exchange.mode": '"queries"', "negatives.scope": '"all"', "train.group_queries": "true",
                    "regulariser.name": '"n3"', "regulariser.weight": 0.01},
        "rounds": {"exchange.mode": '"rows"', "memory.resident_parts": 3},
        "stream": {"exchange.mode": '"rows"', "memory.queries": '"stream"'},
    }

    def test_ranks_change_no_bit_and_weights_do(self):
        self.graph("weighted")
        self.graph("plain", weighted=False)
        digests = {}
        for name, keys in self.SETTINGS.items():
            with self.subTest(name):
                found = {self.train("weighted", f"{name}-{ranks}", ranks, **keys) for ranks in (1, 2, 3)}
                self.assertEqual(len(found), 1)
                self.assertNotIn(self.train("plain", f"{name}-plain", 2, **keys), found)
                digests[name] = found
        self.assertEqual(digests["rows"], digests["stream"])
        plan = json.loads(self.succeed("plan", "--json", self.write_job(**{"data.graph": '"weighted.kg"', "data.parts": 6})))
        self.assertTrue(plan)

    def test_equal_weights_are_none(self):
        self.graph("ones", lambda draw: "1")
        self.graph("threes", lambda draw: "3.3")
        self.graph("plain", lambda draw: "1", weighted=False)
        for name, keys in self.SETTINGS.items():
            with self.subTest(name):
                found = {self.train(graph, f"{name}-{graph}", 2, **keys) for graph in ("ones", "threes", "plain")}
                self.assertEqual(len(found), 1)

    def test_evaluation_takes_no_notice(self):
        self.graph("weighted")
        self.train("weighted", "run", 2)
        figures = json.loads(self.succeed("evaluate", "--json", "run", ranks=2))
        self.assertEqual(figures["mrr"], json.loads(self.succeed("evaluate", "--json", "run"))["mrr"])

    def test_files_hold_the_weights_of_the_table(self):
        if h5py is None:
            self.skipTest("numpy and h5py are not installed for this Python")
        for name, weight in (("few", lambda draw: str(draw.randrange(5) / 2)), ("many", lambda draw: repr(draw.random()))):
            with self.subTest(name):
                rows = {tuple(row[:3]): float(row[3]) for row in self.graph(name, weight)}
                self.check_files(self.folder / f"{name}.kg", rows)

    def check_files(self, folder, rows):
        names = {kind: sorted({row[k] for row in rows for k in places})
                 for kind, places in (("entities", (0, 2)), ("relations", (1,)))}
        with h5py.File(folder / "graph.h5") as graph:
            columns = read_queries.read_triples(graph, "train")
            weights = read_queries.read_triple_weights(graph)
            self.assertAlmostEqual(graph["splits/train"].attrs["weight_mean"], weights.mean(), places=6)
        self.assertEqual(len(weights), len(columns[0]))
        triples = {(h, r, t): w for h, r, t, w in zip(*columns, weights)}
        for (h, r, t), w in triples.items():
            self.assertAlmostEqual(rows[names["entities"][h], names["relations"][r], names["entities"][t]], w, places=6)
        with h5py.File(folder / "parts-6" / "manifest.h5") as manifest:
            original = manifest["new_ids"][:].argsort()
        relations = len(names["relations"])
        found = 0
        for path in sorted((folder / "parts-6").glob("part-*.h5")):
            with h5py.File(path) as part:
                first = int(part.attrs["first_entity"])
                for s, r, t, w in zip(*read_queries.read_queries(part, "train"), read_queries.read_weights(part["queries/train"])):
                    source, target = original[first + int(s)], original[t]
                    triple = (source, r, target) if r < relations else (target, r - relations, source)
                    self.assertEqual(triples[triple], w)
                    found += 1
        self.assertEqual(found, 2 * len(triples))

    def test_weights_of_repeated_triples_add_up(self):
        rows = self.table("few", lambda draw: str(draw.randrange(1, 9) / 4))
        lines = [",".join(row) for row in rows] + [",".join(row[:3] + ["2.5"]) for row in rows[:7]]
        digests = set()
        for seed in (1, 2):
            random.Random(seed).shuffle(lines)
            self.write("t.csv", "x,rel,y,w\n" + "\n".join(lines) + "\n")
            out = self.succeed("import", "t.csv", *COLUMNS, "--weight", 4, "-o", f"{seed}.kg")
            self.assertRegex(out, r"repeated, weights added +7\n")
            self.assertRegex(out, r"weights +0.25 to ")
            self.assertRegex(self.succeed("info", f"{seed}.kg"), r"weights +0.25 to [0-9.]+, mean ")
            if h5py is not None:
                with h5py.File(self.folder / f"{seed}.kg" / "graph.h5") as graph:
                    digests.add(read_queries.read_triple_weights(graph).tobytes())
        self.assertLessEqual(len(digests), 1)

    def test_bad_weights(self):
        for text in ("-1", "nan", "inf", "", "heavy", "1e39", "-1e-9", "0x10", "1,2"):
            with self.subTest(text):
                field = f'"{text}"'
                self.write("bad.csv", f"x,rel,y,w\na,r,b,1\nb,r,c,{field}\nc,r,a,2\n")
                self.refuse(BAD_DATA, "import", "bad.csv", *COLUMNS, "--weight", "w", "-o", "bad.kg",
                            says=["bad.csv:3", f"'{text}'", "weight"])
        out = self.succeed("import", "bad.csv", *COLUMNS, "--weight", "w", "--skip-bad-lines", "-o", "skipped.kg")
        self.assertRegex(out, r"bad lines skipped +1\n")
        self.write("zero.csv", "x,rel,y,w\na,r,b,0\nb,r,c,0\n")
        self.refuse(BAD_DATA, "import", "zero.csv", *COLUMNS, "--weight", "w", "-o", "zero.kg", says=["weight 0"])

    def test_wrong_usage(self):
        self.table("t", lambda draw: "1")
        self.refuse(USAGE, "import", "t.csv", "--weight", "w", "-o", "t.kg", says=["--weight", "--head"])
        self.refuse(USAGE, "import", "t.csv", *COLUMNS, "--weight", "wt", "-o", "t.kg", says=["--weight 'wt'", "did you mean 'w'"])
        self.refuse(USAGE, "import", "t.csv", *COLUMNS, "--weight", 9, "-o", "t.kg", says=["--weight 9", "4 columns"])

    def test_weights_are_of_the_training_split(self):
        self.write("train.csv", "x,rel,y,w\na,r,b,2\nb,r,c,4\nc,r,a,6\n")
        self.write("valid.csv", "x,rel,y\na,r,c\n")
        out = self.succeed("import", "--train", "train.csv", "--valid", "valid.csv", *COLUMNS, "--weight", "w", "-o", "s.kg")
        self.assertRegex(out, r"weights +2 to 6, mean 4")

    def test_a_binary_loss_refuses(self):
        self.graph("weighted")
        job = self.write_job(**{"data.graph": '"weighted.kg"', "data.parts": 6, "loss.name": '"bce"', "negatives.scope": '"all"',
                                "train.group_queries": "true", "exchange.mode": '"queries"'})
        for ranks in (0, 2):
            self.refuse(USAGE, "train", job, ranks=ranks, says=["weights", "bce"])


if __name__ == "__main__":
    support.main()
