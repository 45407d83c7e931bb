# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Attributes, from import to conditions on answers, with the real program."""

import collections
import ctypes
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import support
from support import ProgramTest

try:
    import h5py

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "formats"))
    from read_queries import read_triples
except ImportError:
    h5py = None

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
READER = ROOT / "docs" / "formats" / "read_attributes.py"
USAGE, BAD_DATA = 64, 65


class Halves(ctypes.Structure):
    """Of an XXH3-128."""

    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


class AttributesTest(ProgramTest):
    def read(self, file, *names):
        """Rows (entity, attribute, value, datatype) as the reader of the documentation gives them."""
        if h5py is None:
            self.skipTest("numpy or h5py is missing")
        done = subprocess.run([sys.executable, READER, file, *names], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]


class Generated(AttributesTest):
    """60 entities e000 .. e059 in the graph; years, kinds and labels of most."""

    def setUp(self):
        super().setUp()
        draw = random.Random(5)
        self.values = collections.defaultdict(lambda: collections.defaultdict(list))
        for e in range(60):
            name = f"e{e:03}"
            for year in draw.sample(range(1900, 2000), draw.choice([0, 1, 1, 1, 2])):
                self.values["birth_year"][name].append(str(year))
            self.values["type"][name].append(draw.choice(["Person", "Place", "Straße"]))
            if draw.random() < 0.5:
                self.values["height"][name].append(draw.choice(["1.50", "-0", "NaN", "1e2", "+7", "007"]))
            self.values["label"][name].append(f"the label of {name}, drawn {draw.random()}")
            self.values["born"][name].append(f"19{draw.randrange(10, 99)}-0{draw.randrange(1, 9)}-1{draw.randrange(9)}")
            self.values["mass"][name].append(repr(draw.choice([-1, 1]) * draw.random() * 10.0 ** draw.choice([-300, -20, -12, 30, 200])))
            self.values["mixed"][name].append("?" if e == 7 else str(e))
        lines = [f"{entity}\t{attribute}\t{value}" for attribute, of in self.values.items() for entity, all_of in of.items() for value in all_of]
        draw.shuffle(lines)
        self.write("attributes.tsv", "\n".join(lines) + "\n")
        done = self.run_program("import", self.write_triples(), "--attributes", "attributes.tsv", "-o", "data.kg")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.import_says = done.stderr.decode()
        self.succeed("partition", "data.kg", "--parts", 8)

    def expected(self, file_rows, names):
        found = collections.defaultdict(lambda: collections.defaultdict(list))
        for entity, attribute, value, _ in file_rows:
            found[attribute][names[int(entity)]].append(value)
        return found

    def check(self, found):
        for attribute, of in self.values.items():
            self.assertEqual({e: sorted(v) for e, v in found[attribute].items()}, {e: sorted(v) for e, v in of.items()}, attribute)

    def fulfil(self, test):
        return {f"e{e:03}" for e in range(60) if test(f"e{e:03}")}

    def test_import_says_what_is_mixed(self):
        self.assertIn("attribute 'mixed' has 59 numbers, 0 dates and 1 other texts: it is kept as text", self.import_says)
        self.assertNotIn("'label'", self.import_says)

    def test_the_reader_of_the_documentation_agrees(self):
        rows = self.read("data.kg/graph.h5")
        self.check(self.expected(rows, [f"e{e:03}" for e in range(60)]))

    def test_parts_have_those_of_their_entities(self):
        found = collections.defaultdict(lambda: collections.defaultdict(list))
        for part in sorted((self.folder / "data.kg/parts-8").glob("part-*.h5")):
            rows = self.read(part)
            with h5py.File(part) as file:
                original = file["entities/original_id"][:].tolist()
            for entity, attribute, value, _ in rows:
                found[attribute][f"e{original[int(entity)]:03}"].append(value)
        self.check(found)

    def test_of_one_entity(self):
        printed = [line.split("\t") for line in self.succeed("attributes", "data.kg", "--entity", "e011").splitlines()]
        for attribute, of in self.values.items():
            self.assertEqual(sorted(p[1] for p in printed if p[0] == attribute), sorted(of.get("e011", [])))
        said = json.loads(self.succeed("attributes", "data.kg", "--entity", "e011", "--json"))
        self.assertEqual([v["value"] for v in said["attributes"]["label"]], self.values["label"]["e011"])
        self.refuse(USAGE, "attributes", "data.kg", "--entity", "e11", says=["'e11'", "did you mean 'e011'"])

    def test_info(self):
        info = json.loads(self.succeed("info", "--json", "data.kg"))["attributes"]
        years = sorted(int(y) for all_of in self.values["birth_year"].values() for y in all_of)
        self.assertIn(f"number: {len(years)} values", info["birth_year"])
        self.assertIn(f"{years[0]} to {years[-1]}", info["birth_year"])
        self.assertIn("text: 60 values of 60 entities", info["mixed"])
        self.assertIn("date: ", info["born"])
        self.assertIn(", double in ", info["mass"])

    def predict(self, *words, ranks=0):
        out = self.succeed("predict", "run", "--json", *words, ranks=ranks)
        return [json.loads(line) for line in out.splitlines()]

    def conditions(self):
        years = {e: [int(y) for y in v] for e, v in self.values["birth_year"].items()}
        kind = {e: v[0] for e, v in self.values["type"].items()}
        return {
            "birth_year > 1950": lambda e: any(y > 1950 for y in years.get(e, [])),
            "birth_year > 1950 and type = 'Straße'": lambda e: any(y > 1950 for y in years.get(e, [])) and kind[e] == "Straße",
            "not exists birth_year": lambda e: e not in years,
            "type in ('Person', 'Place') and not (birth_year < 1940.5 or birth_year >= 199e1)":
                lambda e: kind[e] in ("Person", "Place") and not any(y < 1940.5 or y >= 1990 for y in years.get(e, [])),
            "height = 7 or born > 1980-01-01":
                lambda e: any(v in ("+7", "007") for v in self.values["height"].get(e, [])) or self.values["born"][e][0] > "1980-01-01",
        }

    def test_answers_fulfil_the_condition(self):
        self.succeed("train", self.write_job())
        queries = self.write("queries.tsv", "".join(f"e{e:03}\tr{e % 4}\n?\tr{e % 3}\te{e:03}\n" for e in range(0, 60, 7)))
        everything = self.predict("--queries", queries, "-k", 60)
        for condition, test in self.conditions().items():
            wanted = self.fulfil(test)
            self.assertTrue(wanted)
            for omit in ([], ["--omit-known"]):
                options = ["--queries", queries, "-k", 9, "--where", condition, *omit]
                found = self.predict(*options)
                for query, all_of in zip(found, everything):
                    left = [a for a in all_of["answers"] if a["entity"] in wanted and not (omit and a["known_in"])]
                    self.assertEqual([(a["entity"], a["score"]) for a in query["answers"]], [(a["entity"], a["score"]) for a in left[:9]], condition)
                self.assertEqual(self.predict(*options, ranks=3), found)

    def test_ranks_among_those_that_fulfil_the_condition(self):
        self.succeed("train", self.write_job())
        condition = "birth_year > 1950"
        wanted = self.fulfil(self.conditions()[condition])
        out = self.succeed("evaluate", "run", "--json", "--candidates-where", condition, "--resamples", 0)
        said = json.loads(out)
        self.assertEqual((said["exact"], said["candidate_condition"]), (False, condition))
        spread = json.loads(self.succeed("evaluate", "run", "--json", "--candidates-where", condition, "--resamples", 0, ranks=3))
        self.assertEqual(spread["rank_digest"], said["rank_digest"])
        # The same candidates, listed: every one of them for both ends of every test triple.
        triples = [tuple(line.split("\t")) for line in self.triples_of_test()]
        lines = [f"{h}\t{r}\t{t}\t{end}\t" + "\t".join(sorted(wanted - {h if end == "head" else t})) for h, r, t in triples for end in ("head", "tail")]
        self.write("candidates.tsv", "\n".join(lines) + "\n")
        listed = json.loads(self.succeed("evaluate", "run", "--json", "--candidates", "candidates.tsv", "--resamples", 0))
        self.assertEqual(listed["rank_digest"], said["rank_digest"])
        self.refuse(USAGE, "evaluate", "run", "--candidates-where", condition, "--check", says=["--check"])

    def triples_of_test(self):
        if h5py is None:
            self.skipTest("numpy or h5py is missing")
        with h5py.File(self.folder / "data.kg/graph.h5") as file:
            return [f"e{h:03}\tr{r}\te{t:03}" for h, r, t in zip(*read_triples(file, "test"))]

    def test_shown_beside_answers(self):
        self.succeed("train", self.write_job())
        answers = self.predict("--query", "e000", "r1", "--show", "birth_year,label")[0]["answers"]
        for answer in answers:
            self.assertEqual(sorted(answer["attributes"]["birth_year"]), sorted(self.values["birth_year"].get(answer["entity"], [])))
            self.assertEqual(answer["attributes"]["label"], self.values["label"][answer["entity"]])
        self.assertIn("label: the label of", self.succeed("predict", "run", "--query", "e000", "r1", "--show", "label"))
        self.succeed("predict", "run", "--query", "e000", "r1", "--show", "label", "--where", "exists label", "-o", "answers.h5")
        if h5py is None:
            return
        with h5py.File(self.folder / "answers.h5") as file:
            shown = file["shown/000000"]
            self.assertEqual((shown.attrs["name"].decode(), file.attrs["condition"].decode()), ("label", "exists label"))
            text, at = shown["value_bytes"][:].tobytes().decode(), shown["value_offsets"][:].tolist()
            for entity, a, b in zip(shown["entity"][:], at, at[1:]):
                self.assertEqual(text[a:b], self.values["label"][f"e{entity:03}"][0])
            self.assertTrue(set(file["answers/entity"][0].tolist()) <= set(shown["entity"][:].tolist()))

    def test_mistakes_are_explained(self):
        self.succeed("train", self.write_job())
        for options, says in (
            (["--where", "birthyear > 1950"], ["--where", "column 1", "'birthyear'", "did you mean 'birth_year'?"]),
            (["--where", "birth_year > "], ["column 14", "was expected"]),
            (["--where", "birth_year > 'x'"], ["column 14", "is a number", "text"]),
            (["--where", "birth_year > 3000"], ["no entity fulfils"]),
            (["--show", "labl"], ["--show", "'labl'", "'label'"]),
        ):
            self.refuse(USAGE, "predict", "run", "--query", "e000", "r1", *options, says=says)
            self.refuse(USAGE, "predict", "run", "--query", "e000", "r1", *options, says=says, ranks=2)

    def test_damaged_columns_are_refused(self):
        if h5py is None:
            self.skipTest("numpy or h5py is missing")
        path = self.folder / "data.kg/graph.h5"
        whole = path.read_bytes()
        with h5py.File(path) as file:
            start, size = file["attributes/bytes"].id.get_offset(), len(file["attributes/bytes"])
        draw = random.Random(3)
        ends = collections.Counter()
        for _ in range(40):
            damaged = bytearray(whole)
            for _ in range(draw.randrange(1, 4)):
                damaged[start + draw.randrange(size)] ^= draw.randrange(1, 256)
            path.write_bytes(damaged)
            for forged in (False, True):
                if forged:
                    self.vouch(path)
                done = self.run_program("attributes", "data.kg", "--entity", "e011")
                ends[done.returncode] += 1
                self.assertIn(done.returncode, (0, BAD_DATA) if forged else (BAD_DATA,), done.stderr)
            path.write_bytes(whole)
            self.vouch(path)
        self.assertGreater(ends[BAD_DATA], 40)

    def vouch(self, path):
        """Writes the checksum list anew, as one who forges it would."""
        try:
            library = ctypes.CDLL("libxxhash.so.0")
        except OSError:
            self.skipTest("libxxhash is missing")
        library.XXH3_128bits.restype = Halves
        data = path.read_bytes()
        halves = library.XXH3_128bits(data, ctypes.c_size_t(len(data)))
        (path.parent / "checksums.xxh3").write_text(f"{halves.high:016x}{halves.low:016x}  {path.name}\n")


class Real(AttributesTest):
    def test_literals_of_fb15k_237(self):
        data = DATA / "FB15k-237"
        if not (data / "numeric_literals.tsv.zst").exists():
            self.skipTest(f"FB15k-237 is not in {DATA}")
        splits = [word for split in ("train", "valid", "test") for word in (f"--{split}", data / f"{split}.tsv.zst")]
        self.succeed("import", *splits, "--allow-unseen", "--attributes", data / "numeric_literals.tsv.zst", "-o", "fb.kg")
        text = subprocess.run(["zstd", "-dcq", data / "numeric_literals.tsv.zst"], capture_output=True, text=True, check=True).stdout
        wanted = collections.Counter(tuple(line.split("\t")[1:]) for line in text.splitlines())
        found = collections.Counter((row[1], row[2]) for row in self.read("fb.kg/graph.h5"))
        self.assertEqual(found, wanted)
        with h5py.File(self.folder / "fb.kg/graph.h5") as file:
            self.assertLess(8 * len(file["attributes/bytes"]) / sum(wanted.values()), 28)

    def test_glosses_of_wordnet(self):
        wordnet = Path("/usr/share/wordnet/data.adv")
        if not wordnet.exists():
            self.skipTest("no WordNet here (package wordnet-base)")
        self.succeed("import", wordnet, "--skip-bad-lines", "--keep-isolated", "-o", "wn.kg")
        glosses = [line.split(" | ", 1)[1].strip() for line in wordnet.read_text().splitlines() if " | " in line]
        self.assertEqual(sorted(row[2] for row in self.read("wn.kg/graph.h5", "gloss")), sorted(glosses))


if __name__ == "__main__":
    support.main()
