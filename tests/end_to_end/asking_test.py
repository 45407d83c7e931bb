# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs, triples, similar entities, types, lists and tables, with the real program, against numpy in double."""

import csv
import io
import json
import sys
import unittest
from pathlib import Path

import support
from support import ProgramTest

try:
    import h5py
    import numpy

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "formats"))
    from read_queries import read_triples
except ImportError:
    numpy = None

USAGE, BAD_DATA, MISSING = 64, 65, 66
TYPES = ("Drug", "Disease", 'A "quoted" type')


@unittest.skipIf(numpy is None, "numpy or h5py is missing")
class Asking(ProgramTest):
    """60 entities with types and labels, a model of them, and its rows in numpy."""

    def setUp(self):
        super().setUp()
        triples = self.write_triples()
        lines = [f"e{e:03}\ttype\t{TYPES[e % 3]}\ne{e:03}\tlabel\t{self.label(f'e{e:03}')}\n" for e in range(60)]
        self.write("attributes.tsv", "".join(lines))
        self.succeed("import", triples, "--valid-fraction", "0.1", "--test-fraction", "0.1", "--attributes", "attributes.tsv",
                     "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        self.succeed("train", self.write_job(**{"model.name": '"distmult"', "train.epochs": 8}))
        self.succeed("export", "run", "-o", "model")
        with h5py.File(self.folder / "model/model.h5") as file:
            self.rows = file["entities/rows"][:].astype(float)
            self.relation_rows = file["relations/rows"][:].astype(float)
            self.entities = self.names_in(file["entities"])
            self.relations = self.names_in(file["relations"])
        self.known = {}
        with h5py.File(self.folder / "data.kg/graph.h5") as graph:
            for split in ("test", "valid", "train"):
                for head, relation, tail in zip(*read_triples(graph, split)):
                    self.known[self.entities[head], self.relations[relation], self.entities[tail]] = split

    @staticmethod
    def label(name):
        return "twice" if name in ("e058", "e059") else f"entity no. {int(name[1:])}"

    @staticmethod
    def names_in(group):
        data, offsets = group["name_bytes"][:].tobytes(), group["name_offsets"][:].tolist()
        return [data[a:b].decode() for a, b in zip(offsets, offsets[1:])]

    def scores(self, relation, inverse=False):
        """[source, target] of DistMult."""
        row = self.relation_rows[self.relations.index(relation) + (len(self.relations) if inverse else 0)]
        return (self.rows * row) @ self.rows.T

    def table(self, *words, ranks=0, **options):
        """Rows of a CSV, the same bytes on 1, 2 and 3 ranks."""
        outputs = [self.succeed(*words, "--format", "csv", ranks=r, **options) for r in (ranks or (0, 2, 3))]
        for output in outputs[1:]:
            self.assertEqual(output, outputs[0], "other bytes on other ranks")
        return list(csv.DictReader(io.StringIO(outputs[0])))

    def is_of(self, kind):
        return [TYPES[int(name[1:]) % 3] == kind for name in self.entities]

    def check_pairs(self, rows, k, heads, tails, omit_known):
        scores = self.scores("r1")
        allowed = numpy.outer(heads, tails)
        if omit_known:
            for head, relation, tail in self.known:
                if relation == "r1":
                    allowed[self.entities.index(head), self.entities.index(tail)] = False
        best = numpy.sort(scores[allowed])[::-1][:k]
        self.assertEqual(len(rows), len(best))
        for rank, (row, score) in enumerate(zip(rows, best), 1):
            self.assertEqual(int(row["rank"]), rank)
            self.assertAlmostEqual(float(row["score"]), score, places=4)
            head, tail = self.entities.index(row["head"]), self.entities.index(row["tail"])
            self.assertTrue(allowed[head, tail])
            self.assertAlmostEqual(scores[head, tail], score, places=4)
            self.assertEqual(row["known"], self.known.get((row["head"], "r1", row["tail"]), ""))
            self.assertEqual(row["head_label"], self.label(row["head"]))

    def test_pairs(self):
        everybody = [True] * 60
        self.check_pairs(self.table("predict", "run", "--relation", "r1", "-k", 40), 40, everybody, everybody, False)
        rows = self.table("predict", "run", "--relation", "r1", "-k", 40, "--omit-known", "--heads-type", "Drug", "--tails-where",
                          "type = 'Disease'")
        self.check_pairs(rows, 40, self.is_of("Drug"), self.is_of("Disease"), True)
        names = self.write("names.txt", "e003\r\ne009\ne030\n")
        rows = self.table("predict", "run", "--relation", "r1", "-k", 1000, "--heads-among", names, "--tails-type", TYPES[2])
        self.check_pairs(rows, 1000, [name in ("e003", "e009", "e030") for name in self.entities], self.is_of(TYPES[2]), False)

    def test_answers_of_a_type_and_of_a_list(self):
        scores = self.scores("r2")[self.entities.index("e007")]
        for words, allowed in ((["--type", "Drug"], self.is_of("Drug")),
                               (["--type", "Disease", "--where", "label != 'entity no. 4'"],
                                [kind and name != "e004" for kind, name in zip(self.is_of("Disease"), self.entities)]),
                               (["--among", "-", "--type", "Drug"], [name in ("e003", "e006") for name in self.entities])):
            rows = self.table("predict", "run", "--query", "e007", "r2", "-k", 100, *words, stdin=b"e003\ne006\ne007\n")
            best = numpy.sort(scores[numpy.array(allowed)])[::-1]
            self.assertEqual(len(rows), len(best))
            for row, score in zip(rows, best):
                self.assertTrue(allowed[self.entities.index(row["tail"])])
                self.assertAlmostEqual(float(row["score"]), score, places=4)
                self.assertEqual(row["label"], self.label(row["tail"]))

    def test_relations(self):
        rows = self.table("predict", "run", "--query", "e007", "?", "e009", "--query", "?", "r1", "e005", "-k", 3)
        self.assertEqual(len(rows), 6)
        scores = {r: self.scores(r)[self.entities.index("e007"), self.entities.index("e009")] for r in self.relations}
        expected = sorted(scores, key=lambda r: -scores[r])[:3]
        self.assertEqual([row["relation"] for row in rows[:3]], expected)
        for row in rows[:3]:
            self.assertEqual((row["head"], row["tail"]), ("e007", "e009"))
            self.assertAlmostEqual(float(row["score"]), scores[row["relation"]], places=4)
        self.assertEqual({row["tail"] for row in rows[3:]}, {"e005"})
        said = json.loads(self.succeed("predict", "run", "--json", "--query", "e007", "?", "e009", "-k", 1))
        self.assertEqual((said["asks"], said["other"], said["answers"][0]["relation"]), ("relation", "e009", expected[0]))

    def test_labels_are_names_too(self):
        words = ["predict", "run", "--query"]
        self.assertEqual(self.succeed(*words, "entity no. 7", "r2", "--json"), self.succeed(*words, "e007", "r2", "--json"))
        self.assertEqual(self.table("similar", "run", "entity no. 7"), self.table("similar", "run", "e007"))
        self.refuse(USAGE, *words, "twice", "r2", says=["'twice'", "2 entities", "'e058', 'e059'"])
        attributes = ["attributes", "data.kg", "--entity"]
        self.assertEqual(self.succeed(*attributes, "entity no. 7"), self.succeed(*attributes, "e007"))
        self.refuse(USAGE, *attributes, "twice", says=["--entity", "2 entities"])
        self.refuse(USAGE, *attributes, "e0077", says=["did you mean 'e007'"])

    def test_queries_from_a_pipe(self):
        text = b"\xef\xbb\xbf# a comment\ne007\tr2\r\n\n?\tr1\te005\ne007\t?\te009"
        self.write("queries.tsv", text)
        from_pipe = self.table("predict", "run", "--queries", "-", stdin=text)
        self.assertEqual(from_pipe, self.table("predict", "run", "--queries", "queries.tsv"))
        self.assertEqual(from_pipe, self.table("predict", "run", "--queries", "/dev/stdin", stdin=text, ranks=[0]))

    def expected_rank(self, scores, source, target, keep):
        """1 + better ones + half of the others that are level; `keep` says which are candidates."""
        of = scores[source]
        better = sum(1 for e in range(60) if keep(e) and of[e] > of[target] + 1e-6)
        level = sum(1 for e in range(60) if keep(e) and abs(of[e] - of[target]) <= 1e-6)
        return 1 + better + level / 2

    def test_score(self):
        asked = [*list(self.known)[:20], ("e001", "r0", "e050"), ("e050", "r3", "e001")]
        self.write("asked.tsv", "".join("\t".join(triple) + "\n" for triple in asked))
        rows = self.table("score", "run", "asked.tsv")
        self.assertEqual([(row["head"], row["relation"], row["tail"]) for row in rows], asked)
        for row, (head, relation, tail) in zip(rows, asked):
            h, t = self.entities.index(head), self.entities.index(tail)
            self.assertAlmostEqual(float(row["score"]), self.scores(relation)[h, t], places=4)
            self.assertEqual(row["known"], self.known.get((head, relation, tail), ""))
            rank = self.expected_rank(self.scores(relation), h, t,
                                      lambda e: e != t and (head, relation, self.entities[e]) not in self.known)
            self.assertEqual(float(row["tail_rank"]), rank)
            rank = self.expected_rank(self.scores(relation, inverse=True), t, h,
                                      lambda e: e != h and (self.entities[e], relation, tail) not in self.known)
            self.assertEqual(float(row["head_rank"]), rank)
        scored = self.table("score", "run", "asked.tsv", "--no-ranks")
        self.assertEqual([row["score"] for row in scored], [row["score"] for row in rows])
        self.assertNotIn("tail_rank", scored[0])
        self.assertEqual([row["tail_label"] for row in rows], [self.label(tail) for _, _, tail in asked])
        shown = self.table("score", "run", "asked.tsv", "--no-ranks", "--show", "type")
        self.assertEqual([row["head_type"] for row in shown], [TYPES[int(head[1:]) % 3] for head, _, _ in asked])

    def test_type_constrained_ranks(self):
        """Among the entities that any split has at that end of the relation."""
        outputs = {self.without_time(self.succeed("evaluate", "run", "--json", "--type-constrained", ranks=r)) for r in (0, 2, 3)}
        self.assertEqual(len(outputs), 1)
        plain, constrained = (json.loads(line) for line in outputs.pop().splitlines())
        self.assertEqual(plain["mrr"], json.loads(self.succeed("evaluate", "run", "--json"))["mrr"])
        ends = {}
        for head, relation, tail in self.known:
            ends.setdefault((relation, 0), set()).add(self.entities.index(head))
            ends.setdefault((relation, 1), set()).add(self.entities.index(tail))
        reciprocal = []
        for (head, relation, tail), split in self.known.items():
            if split != "test":
                continue
            h, t = self.entities.index(head), self.entities.index(tail)
            keep = lambda e: e != t and e in ends[relation, 1] and (head, relation, self.entities[e]) not in self.known  # noqa: B023, E731
            reciprocal.append(1 / self.expected_rank(self.scores(relation), h, t, keep))
            keep = lambda e: e != h and e in ends[relation, 0] and (self.entities[e], relation, tail) not in self.known  # noqa: B023, E731
            reciprocal.append(1 / self.expected_rank(self.scores(relation, inverse=True), t, h, keep))
        self.assertAlmostEqual(constrained["mrr"], sum(reciprocal) / len(reciprocal), places=6)
        self.refuse(USAGE, "evaluate", "run", "--type-constrained", "--candidates-where", "exists type", says=["--type-constrained"])

    @staticmethod
    def without_time(text):
        return "\n".join(json.dumps({k: v for k, v in json.loads(line).items() if k != "seconds"}) for line in text.splitlines())

    def test_probabilities(self):
        said = self.succeed("calibrate", "run")
        self.assertRegex(said, r"valid +\d+ +0\.\d+ +0\.\d+ +0\.\d+\ntest ")
        kept = (self.folder / "run/calibration.json").read_bytes()
        self.succeed("calibrate", "run", ranks=3)
        self.assertEqual((self.folder / "run/calibration.json").read_bytes(), kept)
        for method in ("platt", "isotonic"):
            self.succeed("calibrate", "run", "--method", method)
            rows = self.table("score", "run", "triples.tsv", "--no-ranks")
            order = sorted(rows, key=lambda row: float(row["score"]))
            chances = [float(row["probability"]) for row in order]
            self.assertEqual(chances, sorted(chances))
            self.assertGreater(chances[-1], 0.7)
        self.write("run/calibration.json", "{}")
        self.refuse(BAD_DATA, "score", "run", "triples.tsv", says=["calibration.json", "tessera calibrate"])

    def test_similar(self):
        unit = self.rows / numpy.linalg.norm(self.rows, axis=1, keepdims=True)
        me = self.entities.index("e010")
        distances = numpy.linalg.norm(self.rows - self.rows[me], axis=1)
        for metric, values in (("cosine", unit @ unit[me]), ("dot", self.rows @ self.rows[me]), ("distance", distances)):
            for kind in (None, "Drug"):
                rows = self.table("similar", "run", "e010", "e002", "-k", 5, "--metric", metric,
                                  *([] if kind is None else ["--type", kind]))
                self.assertEqual([row["entity"] for row in rows], ["e010"] * 5 + ["e002"] * 5)
                order = numpy.argsort(values if metric == "distance" else -values)
                expected = [e for e in order if e != me and (kind is None or self.is_of(kind)[e])][:5]
                self.assertEqual([row["similar"] for row in rows[:5]], [self.entities[e] for e in expected])
                for row, e in zip(rows, expected):
                    self.assertAlmostEqual(float(row[metric]), values[e], places=4)

    def test_a_name_that_is_asked_twice(self):
        rows = self.table("similar", "run", "e010", "e010", "-k", 3)
        self.assertEqual([row["rank"] for row in rows], ["1", "2", "3"] * 2)

    def test_pairs_are_a_list_to_score(self):
        self.succeed("predict", "run", "--relation", "r1", "-k", 5, "-o", "pairs.tsv")
        pairs = (self.folder / "pairs.tsv").read_text().splitlines()[1:]
        rows = self.table("score", "run", "pairs.tsv")
        self.assertEqual([line.split("\t")[:4] for line in pairs], [[row[k] for k in ("head", "relation", "tail", "score")] for row in rows])
        self.write("labels.tsv", "tail\thead\trelation\nentity no. 7\te001\tr1\n")
        self.assertEqual(self.table("score", "run", "labels.tsv")[0]["tail"], "e007")

    def test_formats_hold_the_same(self):
        words = ["predict", "run", "--relation", "r1", "-k", 12, "--tails-type", "Drug"]
        expected = self.table(*words)
        for name in ("a.csv", "a.tsv", "a.jsonl", "a.h5", "a.txt"):
            self.assertEqual(self.succeed(*words, "-o", name), "")
        self.assertEqual((self.folder / "a.csv").read_bytes().decode(), self.succeed(*words, "--format", "csv"))
        with open(self.folder / "a.tsv", newline="") as file:
            self.assertEqual(list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)), expected)
        lines = [json.loads(line) for line in (self.folder / "a.jsonl").read_text().splitlines()]
        self.assertEqual([line["head"] for line in lines], [row["head"] for row in expected])
        self.assertEqual([line["known"] or "" for line in lines], [row["known"] for row in expected])
        self.assertIn(None, [line["known"] for line in lines])
        self.assertEqual([numpy.float32(line["score"]) for line in lines], [numpy.float32(row["score"]) for row in expected])
        with h5py.File(self.folder / "a.h5") as file:
            self.assertEqual(file.attrs["columns"].decode(), ",".join(expected[0]))
            self.assertEqual(file["rank"][:].tolist(), list(range(1, 13)))
            data, offsets = file["tail/bytes"][:].tobytes(), file["tail/offsets"][:].tolist()
            self.assertEqual([data[a:b].decode() for a, b in zip(offsets, offsets[1:])], [row["tail"] for row in expected])
        self.assertIn("rank", (self.folder / "a.txt").read_text().splitlines()[0])

    def test_bad_questions(self):
        pairs = ["predict", "run", "--relation", "r1"]
        self.refuse(USAGE, "predict", "run", says=["--query", "--queries", "--relation"])
        self.refuse(USAGE, *pairs, "--query", "e001", "r1", says=["give one of"])
        self.refuse(USAGE, *pairs, "--type", "Drug", says=["--heads-type"])
        self.refuse(USAGE, "predict", "run", "--query", "e001", "r1", "--heads-type", "Drug", says=["--type"])
        self.refuse(USAGE, *pairs, "--heads-type", "Drgu", says=["no entity", "--heads-type Drgu"])
        self.refuse(USAGE, "predict", "run", "--relation", "r9", says=["--relation", "'r9'", "did you mean"])
        self.refuse(USAGE, *pairs, "-o", "pairs.xyz", says=["pairs.xyz", "--format"])
        self.refuse(USAGE, *pairs, "--format", "h5", says=["--output"])
        self.refuse(MISSING, *pairs, "-o", "nowhere/pairs.csv", says=["nowhere"])
        self.refuse(BAD_DATA, *pairs, "--tails-among", self.write("names.txt", "e001\ne0x\n"), says=["names.txt:2", "'e0x'"])
        self.refuse(MISSING, *pairs, "--tails-among", "nothing.txt", says=["nothing.txt"])
        self.refuse(BAD_DATA, "score", "run", self.write("two.tsv", "e001\tr1\n"), says=["two.tsv:1", "2 columns"])
        self.refuse(BAD_DATA, "score", "run", self.write("none.tsv", "# nothing\n"), says=["no triples"])
        self.refuse(USAGE, "similar", "run", "e0100", says=["'e0100'", "did you mean"])
        self.refuse(USAGE, "calibrate", "run", "--base-rate", "1", says=["--base-rate"])
        self.refuse(USAGE, *pairs, "--head-type", "Drug", says=["--head-type", "did you mean '--heads-type'?"])


if __name__ == "__main__":
    support.main()
