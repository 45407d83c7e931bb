# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Vectors of other programs, with the real program: ranked and scored as numpy says."""

import gzip
import json
import shutil
import struct
import unittest

import support
from support import ProgramTest

try:
    import numpy
except ImportError:
    numpy = None

USAGE, BAD_DATA, MISSING = 64, 65, 66
RELATIONS = 4


def complex_of(row):
    half = row.shape[-1] // 2
    return row[..., :half] + 1j * row[..., half:]


def hamilton(s, r):
    n = len(s) // 4
    r = r.reshape(4, n) / numpy.linalg.norm(r.reshape(4, n), axis=0)
    a, i, j, k = s.reshape(4, n)
    b, x, y, z = r
    return numpy.concatenate([a * b - i * x - j * y - k * z, a * x + i * b + j * z - k * y,
                              a * y - i * z + j * b + k * x, a * z + i * y - j * x + k * b])


def score(model, s, r, t):
    """Of (s, r, t), by the published formulas."""
    half = len(s) // 2
    if model == "distmult":
        return numpy.sum(s * r * t)
    if model == "transe_l1":
        return -numpy.sum(abs(s + r - t))
    if model == "transe_l2":
        return -numpy.linalg.norm(s + r - t)
    if model == "complex":
        return numpy.sum(complex_of(s) * complex_of(r) * complex_of(t).conj()).real
    if model == "rotate":
        return -numpy.linalg.norm(complex_of(s) * numpy.exp(1j * r) - complex_of(t))
    if model == "rescal":
        return s @ r.reshape(len(s), len(s)) @ t
    if model == "simple":
        return (numpy.sum(s[:half] * r[:half] * t[half:]) + numpy.sum(s[half:] * r[half:] * t[:half])) / 2
    return numpy.sum(hamilton(s, r) * t)  # quate


@unittest.skipIf(numpy is None, "numpy is missing")
class ImportModel(ProgramTest):
    def setUp(self):
        super().setUp()
        self.succeed("import", self.write_triples(), "--valid-fraction", "0.1", "--test-fraction", "0.1", "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 4)
        self.draw = numpy.random.default_rng(7)
        self.entity_names = [f"e{e:03}" for e in self.draw.permutation(60)]
        self.relation_names = [f"r{r}" for r in self.draw.permutation(RELATIONS)]
        self.write("entities.txt", "".join(f"{name}\n" for name in self.entity_names))
        self.write("relations.txt", "".join(f"{name}\n" for name in self.relation_names))

    def save(self, name, array):
        numpy.save(self.folder / name, array)
        return name

    def import_words(self, model="distmult", entities="e.npy", relations="r.npy", *more):
        words = ["--model", model, "--entities", entities, "--relations", relations, *more]
        for option, name in (("--entity-names", "entities.txt"), ("--relation-names", "relations.txt")):
            words += [] if option in words else [option, name]
        return ["import-model", "data.kg", *words, "-o", "model"]

    def check_scores(self, model, entities, relations, inverses):
        """Every triple of the list as a tail and as a head, against numpy."""
        triples = [line.split("\t") for line in (self.folder / "triples.tsv").read_text().splitlines()[::23]]
        self.write("asked.tsv", "".join("\t".join(triple) + "\n" for triple in triples))
        out = self.succeed("score", "model", "asked.tsv", "--no-ranks", "--format", "jsonl")
        for line in out.splitlines():
            row = json.loads(line)
            h, t = entities[self.entity_names.index(row["head"])], entities[self.entity_names.index(row["tail"])]
            r = relations[self.relation_names.index(row["relation"])]
            self.assertAlmostEqual(row["score"], score(model, h, r, t), places=3, msg=model)
        query = self.succeed("predict", "model", "--query", "?", "r1", "e007", "-k", 60, "--format", "jsonl")
        r = inverses[self.relation_names.index("r1")]
        source = entities[self.entity_names.index("e007")]
        for line in query.splitlines():
            row = json.loads(line)
            self.assertAlmostEqual(row["score"], score(model, source, r, entities[self.entity_names.index(row["head"])]), places=3, msg=model)
        self.succeed("evaluate", "model")

    @staticmethod
    def inverse(model, rows):
        half = rows.shape[1] // 2
        if model in ("transe_l1", "transe_l2", "rotate"):
            return -rows
        if model == "complex":
            return numpy.concatenate([rows[:, :half], -rows[:, half:]], 1)
        if model == "quate":
            return numpy.concatenate([rows[:, :half // 2], -rows[:, half // 2:]], 1)
        if model == "simple":
            return numpy.concatenate([rows[:, half:], rows[:, :half]], 1)
        if model == "rescal":
            dim = int(rows.shape[1] ** 0.5)
            return rows.reshape(-1, dim, dim).transpose(0, 2, 1).reshape(len(rows), -1)
        return rows

    def test_every_model_without_inverse_rows(self):
        for model in ("distmult", "transe_l1", "transe_l2", "complex", "rotate", "rescal", "simple", "quate"):
            width = {"rescal": 144, "rotate": 6}.get(model, 12)
            entities = self.draw.normal(size=(60, 12)).astype("f4")
            relations = self.draw.normal(size=(RELATIONS, width)).astype("f4")
            self.save("e.npy", entities)
            self.save("r.npy", relations)
            said = self.succeed(*self.import_words(model))
            self.assertIn("made from the rows of the relations", said)
            inverses = self.inverse(model, relations)
            self.check_scores(model, entities.astype(float), relations.astype(float), inverses.astype(float))
            # The inverse is one: (h, r, t) and (t, inverse of r, h) score alike.
            e, r, i = (x.astype(float) for x in (entities, relations, inverses))
            self.assertAlmostEqual(score(model, e[1], r[0], e[2]), score(model, e[2], i[0], e[1]), places=6)
            self.succeed("evaluate", "model", ranks=2)
            shutil.rmtree(self.folder / "model")

    def test_rows_of_inverses_as_another_program_has_them(self):
        """Complex numbers, a relation and its inverse side by side, names with ids in a compressed table."""
        entities = self.draw.normal(size=(60, 6)) + 1j * self.draw.normal(size=(60, 6))
        relations = self.draw.normal(size=(2 * RELATIONS, 6)) + 1j * self.draw.normal(size=(2 * RELATIONS, 6))
        self.save("e.npy", entities.astype("c8"))
        self.save("r.npy", relations.astype("c16"))
        order = list(enumerate(self.entity_names))
        self.draw.shuffle(order)
        table = "id\tlabel\n" + "".join(f"{i}\t{name}\n" for i, name in order)
        self.write("entities.tsv.gz", gzip.compress(table.encode()))
        self.write("relations.del", "".join(f"{name}\t{i}\r\n" for i, name in enumerate(self.relation_names)))
        said = self.succeed(*self.import_words("complex", "e.npy", "r.npy", "--entity-names", "entities.tsv.gz", "--relation-names",
                                               "relations.del", "--inverse", "interleaved"))
        self.assertIn("rows of their own", said)
        self.assertIn("entities: an id and a name per line; relations: a name and an id per line", said)
        self.assertIn("row 2 r + 1 is the inverse of row 2 r", said)
        halves = [numpy.concatenate([x.real, x.imag], 1) for x in (entities, relations[::2], relations[1::2])]
        self.check_scores("complex", *halves)

    def test_turns_are_angles(self):
        angles = self.draw.uniform(-3, 3, size=(RELATIONS, 6))
        entities = self.draw.normal(size=(60, 6)) + 1j * self.draw.normal(size=(60, 6))
        self.save("e.npy", entities.astype("c8"))
        self.save("r.npy", numpy.exp(1j * angles).astype("c8"))
        self.succeed(*self.import_words("rotate"))
        self.check_scores("rotate", numpy.concatenate([entities.real, entities.imag], 1), angles, -angles)
        self.save("r.npy", (2 * numpy.exp(1j * angles)).astype("c8"))
        shutil.rmtree(self.folder / "model")
        self.refuse(BAD_DATA, *self.import_words("rotate"), says=["r.npy", "length 1"])

    def test_interleaved_reals(self):
        entities, relations = self.draw.normal(size=(60, 8)).astype("f4"), self.draw.normal(size=(RELATIONS, 8)).astype("f4")
        for model, units in (("complex", 2), ("quate", 4)):
            self.save("e.npy", entities.reshape(60, units, -1).transpose(0, 2, 1).reshape(60, -1))
            self.save("r.npy", relations.reshape(RELATIONS, units, -1).transpose(0, 2, 1).reshape(RELATIONS, -1))
            self.succeed(*self.import_words(model, "e.npy", "r.npy", "--layout", "interleaved"))
            self.check_scores(model, entities.astype(float), relations.astype(float), self.inverse(model, relations).astype(float))
            shutil.rmtree(self.folder / "model")

    def test_safetensors_and_what_is_left_out(self):
        entities, relations = self.draw.normal(size=(60, 8)).astype("f4"), self.draw.normal(size=(RELATIONS, 8)).astype("f2")
        more = numpy.concatenate([entities, numpy.ones((3, 8), "f4")])
        header = {"__metadata__": {"a": "b"}, "entity.weight": {"dtype": "F32", "shape": [63, 8], "data_offsets": [0, more.nbytes]},
                  "relation.weight": {"dtype": "F16", "shape": [RELATIONS, 8], "data_offsets": [more.nbytes, more.nbytes + relations.nbytes]}}
        text = json.dumps(header).encode()
        self.write("m.safetensors", struct.pack("<Q", len(text)) + text + more.tobytes() + relations.tobytes())
        self.write("entities.txt", "".join(f"{name}\n" for name in [*self.entity_names, "x", "y", "z"]))
        words = self.import_words("distmult", "m.safetensors:entity.weight", "m.safetensors:relation.weight", "--rows", "bf16")
        done = self.run_program(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 entities of 'entities.txt' are not in the graph", done.stderr.decode())
        self.succeed("evaluate", "model")
        shutil.rmtree(self.folder / "model")
        self.refuse(USAGE, *self.import_words("distmult", "m.safetensors:nothing", "r.npy"), says=["entity.weight", "relation.weight"])

    def test_a_round_trip_has_the_same_ranks(self):
        self.succeed("train", self.write_job(**{"data.parts": 4}))
        digest = json.loads(self.succeed("evaluate", "--json", "run"))["rank_digest"]
        self.succeed("export", "run", "-o", "vectors", "--format", "npy")
        self.write("names.txt", "".join(line.split("\t")[0] + "\n" for line in
                                        (self.folder / "vectors/relations.tsv").read_text().splitlines()[:RELATIONS]))
        self.succeed(*self.import_words("complex", "vectors/entities.npy", "vectors/relations.npy", "--entity-names",
                                        "vectors/entities.tsv", "--relation-names", "names.txt"))
        self.assertEqual(json.loads(self.succeed("evaluate", "--json", "model", ranks=3))["rank_digest"], digest)

    def test_bad_vectors(self):
        good = self.draw.normal(size=(60, 8)).astype("f4")
        relations = self.draw.normal(size=(RELATIONS, 8)).astype("f4")
        self.save("e.npy", good)
        self.save("r.npy", relations)
        bad = good.copy()
        bad[17, 3] = numpy.nan
        self.save("nan.npy", bad)
        self.refuse(BAD_DATA, *self.import_words("distmult", "nan.npy"), says=["nan.npy", "row 17", "nan"])
        self.save("r7.npy", relations[:, :7])
        self.refuse(USAGE, *self.import_words("distmult", "e.npy", "r7.npy"), says=["r7.npy", "7 numbers", "of dim 8"])
        self.refuse(USAGE, *self.import_words("cp", "e.npy", self.save("r4.npy", relations[:, :4])), says=["cp", "2 R rows"])
        self.refuse(USAGE, *self.import_words("tucker"), says=["core"])
        self.save("e7.npy", good[:, :7])
        self.refuse(USAGE, *self.import_words("complex", "e7.npy"), says=["e7.npy", "no multiple of 2"])
        self.save("few.npy", good[:59])
        self.refuse(BAD_DATA, *self.import_words("distmult", "few.npy"), says=["entities.txt:60", "59 rows"])
        self.save("many.npy", numpy.concatenate([good, good]))
        self.refuse(USAGE, *self.import_words("distmult", "many.npy"), says=["120 rows", "60 names"])
        self.refuse(BAD_DATA, *self.import_words("distmult", self.save("f.npy", numpy.asfortranarray(good))), says=["Fortran"])
        self.refuse(BAD_DATA, *self.import_words("distmult", self.save("i.npy", good.astype("i4"))), says=["i4"])
        self.refuse(BAD_DATA, *self.import_words("distmult", self.save("one.npy", good[0])), says=["1 axes"])
        self.refuse(MISSING, *self.import_words("distmult", "nowhere.npy"), says=["nowhere.npy"])
        whole = (self.folder / "e.npy").read_bytes()
        for cut in (3, 11, 60, 127, 200, len(whole) - 1):
            self.write("cut.npy", whole[:cut])
            self.refuse(BAD_DATA, *self.import_words("distmult", "cut.npy"), says=["cut.npy"])
        self.write("huge.npy", whole.replace(b"(60, 8)", b"(99999999999999, 99999)"))
        self.refuse(BAD_DATA, *self.import_words("distmult", "huge.npy"), says=["huge.npy"])

    def test_bad_names(self):
        self.save("e.npy", self.draw.normal(size=(60, 8)))
        self.save("r.npy", self.draw.normal(size=(RELATIONS, 8)))
        words = self.import_words("distmult", "e.npy", "r.npy", "--entity-names", "bad.txt")
        for lines, says in ((self.entity_names[:59] + ["nobody"], ["lacks 1 of the 60", repr(self.entity_names[59])]),
                            (self.entity_names[:59] + self.entity_names[:1], ["bad.txt:60", "occurs twice"]),
                            ([f"{i}\t{name}" for i, name in enumerate(self.entity_names)][:59] + [f"3\t{self.entity_names[59]}"], ["bad.txt:60", "row 3 has two"]),
                            ([f"{i}\t{name}" for i, name in enumerate(self.entity_names)][:59] + [f"99999999999\t{self.entity_names[59]}"], ["bad.txt:60", "60 rows"]),
                            ([f"{i}\t{name}" for i, name in enumerate(self.entity_names)][:59] + ["no id"], ["bad.txt:60", "an id and a name"])):
            self.write("bad.txt", "\n".join(lines) + "\n")
            self.refuse(BAD_DATA, *words, says=says)


if __name__ == "__main__":
    support.main()
