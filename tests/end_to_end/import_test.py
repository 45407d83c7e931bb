# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Import of tables, of RDF, of data sets of other programs; guesses that are said; errors that name a way out."""

import csv
import gzip
import io
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path

import support
from support import ProgramTest

try:
    import numpy
except ImportError:
    numpy = None

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
USAGE, BAD_DATA = 64, 65
WHOLE = ("--valid-fraction", "0", "--test-fraction", "0")


class ImportTest(ProgramTest):
    def import_graph(self, *words, name="data.kg"):
        """Imports; returns what the log said."""
        done = self.run_program("import", *words, "-o", name)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stderr.decode()

    def attributes(self, entity, graph="data.kg"):
        return dict(line.split("\t")[:2] for line in self.succeed("attributes", graph, "--entity", entity).splitlines())

    def same_graph(self, first, second):
        """Whether two graphs have the same names and triples: the files differ in what they say of their sources."""
        figures = [[line for line in self.succeed("info", graph).splitlines() if line.split()[0] in
                    ("entities", "relations", "train", "valid", "test")] for graph in (first, second)]
        self.assertEqual(*figures)


class Tables(ImportTest):
    EDGES = 'n,kind,from,to,note\n1,treats,D1,P1,"a, ""b""\nc"\n2,causes,D1,P2,\n3,treats,D2,P1,x\n'
    NODES = "key;class;title;mass\nD1;Drug;Aspirin;180\nD2;Drug;\"Two\nlines\";\nP1;Disease;Pain;\nX9;Gene;Alone;5\n"

    def columns(self):
        return ("--head", "from", "--relation", "kind", "--tail", "to")

    def test_columns_by_name(self):
        log = self.import_graph(self.write("e.csv", self.EDGES), *self.columns(), *WHOLE)
        self.assertIn("head 'from', relation 'kind', tail 'to'", log)
        self.assertIn("4 entities, 2 relations; 3 train", log)

    def test_columns_by_number(self):
        body = self.EDGES.split("\n", 1)[1].replace("\n", "\r\n")
        log = self.import_graph(self.write("e.csv", "\ufeff" + body), "--head", 3, "--relation", 2, "--tail", 4, *WHOLE)
        self.assertIn("4 entities, 2 relations; 3 train", log)

    def test_a_constant_relation_and_prefixes(self):
        log = self.import_graph(self.write("e.txt", "a b\nb c\n"), "--relation-name", "cites", "--head-prefix", "h:",
                                "--tail-prefix", "t:", *WHOLE)
        self.assertIn("4 entities, 1 relations; 2 train", log)
        self.assertIn("always 'cites'", log)

    def test_entities(self):
        log = self.import_graph(self.write("e.csv", self.EDGES), *self.columns(), *WHOLE, "--entities",
                                self.write("n.csv", self.NODES), "--id", "key", "--type", "class", "--label", "title",
                                "--attribute-columns", "mass")
        self.assertIn("1 of 4 entities of the tables are in no triple: they are left out; --keep-isolated keeps them", log)
        self.assertIn("1 entities of triples have no line in the tables", log)
        self.assertEqual(self.attributes("D1"), {"label": "Aspirin", "mass": "180", "type": "Drug"})

    def test_without_names_all_columns_are_attributes(self):
        self.import_graph(self.write("e.csv", self.EDGES), *self.columns(), "--entities", self.write("n.csv", self.NODES),
                          "--id", "key", "--keep-isolated")
        self.assertEqual(self.attributes("X9"), {"class": "Gene", "title": "Alone", "mass": "5"})

    def test_a_budget_changes_nothing(self):
        names = [f"entity-{i:06}-{'x' * (i % 50)}" for i in range(60000)]
        edges = self.write("e.csv", "a,b,c\n" + "".join(f"{names[i]},r{i % 7},{names[i * 7 % 60000]}\n" for i in range(60000)))
        nodes = self.write("n.csv", "id,type\n" + "".join(f"{name},T{i % 3}\n" for i, name in enumerate(names[::2] * 2)) +
                           "lonely,T1\n")
        words = (edges, "--head", "a", "--relation", "b", "--tail", "c", "--entities", nodes, "--id", "id")
        logs = [self.import_graph(*words, name="a.kg"), self.import_graph(*words, "--memory", "36MiB", name="b.kg")]
        self.assertIn("sorted on disk", logs[1])
        for log in logs:
            self.assertIn("1 of 30,001 entities of the tables are in no triple", log)
            self.assertIn("30,000 lines of the tables are about an entity that has a line already", log)
        self.same_graph("a.kg", "b.kg")
        for name in names[:4]:
            self.assertEqual(self.attributes(name, "a.kg"), self.attributes(name, "b.kg"))

    def test_bad_columns(self):
        edges, nodes = self.write("e.csv", self.EDGES), self.write("n.csv", self.NODES)
        refuse = lambda status, *words, says: self.refuse(status, "import", edges, *words, "-o", "data.kg", says=says)
        refuse(USAGE, "--head", "form", "--relation", "kind", "--tail", "to", says=["--head 'form'", "did you mean 'from'?"])
        refuse(USAGE, "--head", "from", "--relation", "kind", "--tail", "9", says=["--tail 9", "5 columns"])
        refuse(USAGE, "--head", "from", "--tail", "to", says=["--relation-name"])
        refuse(USAGE, *self.columns(), "--entities", nodes, says=["--id"])
        refuse(USAGE, *self.columns(), "--entities", nodes, "--id", "kee", says=["n.csv", "did you mean 'key'?"])
        refuse(USAGE, *self.columns(), "--type", "class", says=["--entities"])

    def test_wrong_columns_are_suspected(self):
        rows = "".join(f"x{i},y{i % 7},{i % 2},{1 - i % 2}\n" for i in range(200))
        self.write("e.csv", "a,b,c,d\n" + rows)
        log = self.import_graph("e.csv", "--head", "c", "--relation", "b", "--tail", "d", *WHOLE, name="few.kg")
        self.assertIn("200 triples have 2 entities only; are --head and --tail", log)
        log = self.import_graph("e.csv", "--head", "b", "--relation", "a", "--tail", "c", *WHOLE, name="many.kg")
        self.assertIn("200 triples have 200 relations; is --relation the right column?", log)

    def test_bad_tables_of_entities(self):
        edges = self.write("e.csv", self.EDGES)

        def words(nodes):
            return (edges, *self.columns(), "--entities", self.write("n.csv", nodes), "--id", "key", "--label", "title")

        def refuse(nodes, says):
            self.refuse(BAD_DATA, "import", *words(nodes), "-o", "data.kg", says=says)

        refuse("key,title\n,A\n", ["n.csv:2", "first column is empty"])
        refuse("key,title\nD1,A\nD1,B\n", ["'D1'", "two labels", "'A'", "'B'"])
        log = self.import_graph(*words("key,title\nD1,B\nD1,A\n"), "--skip-bad-lines")
        self.assertIn("1 further labels", log)
        self.assertEqual(self.attributes("D1"), {"label": "A"})
        log = self.import_graph(*words("key,title\nd1,B\n"), name="other.kg")
        self.assertIn("no entity of the tables is in a triple; the first is 'd1' at", log)

    def test_a_table_as_users_have_them(self):
        edges, nodes = DATA / "typed" / "edges.csv.zst", DATA / "typed" / "nodes.csv.zst"
        if not edges.exists():
            self.skipTest(f"{edges} is missing")
        self.import_graph(edges, "--head", "x_id", "--relation", "relation", "--tail", "y_id", "--entities", nodes, "--id",
                          "id", "--type", "type", "--label", "name", *WHOLE)
        plain = subprocess.run(["zstd", "-dcq", edges], capture_output=True, check=True).stdout.decode()
        rows = list(csv.DictReader(io.StringIO(plain)))
        triples = "".join(sorted({f"{row['x_id']}\t{row['relation']}\t{row['y_id']}\n" for row in rows}))
        self.import_graph(self.write("plain.tsv", triples), *WHOLE, name="plain.kg")
        self.same_graph("data.kg", "plain.kg")
        for row in rows[:20]:
            self.assertEqual(self.attributes(row["x_id"]), {"label": row["x_name"], "type": row["x_type"]})


class Guesses(ImportTest):
    def test_the_lines_that_count_decide(self):
        for text, words, triples in (("head relation tail\nNew York\tcity in\tUSA\nUSA\thas\tNew York\n", ["--header"], 2),
                                     ("head,relation,tail\nParis\tin\tFrance, Europe\nRome\tin\tItaly\n", ["--header"], 2),
                                     ("4\n0 1 0\n1 2 0\n2 3 1\n3 0 1\n", [], 4),
                                     ("source;target;relation\na;b;r\nb;c;r\n", [], 2),
                                     ("Subject\tPredicate\tObject\na\tr\tb\n", [], 1)):
            with self.subTest(text=text):
                log = self.import_graph(self.write("in.txt", text), *words, *WHOLE)
                self.assertIn(f"{triples} train", log)
                subprocess.run(["rm", "-r", self.folder / "data.kg"], check=True)

    def test_a_wrong_count_is_said(self):
        self.assertIn("the first line says 3 triples, 2 were read", self.import_graph(self.write("x.txt", "3\n0 1 0\n1 2 0\n")))

    def test_what_a_guess_took_comes_back(self):
        text = self.write("in.csv", "head,relation,tail\na,r,b\n")
        self.assertIn("1 train", self.import_graph(text, *WHOLE))
        self.assertIn("2 train", self.import_graph(text, "--no-header", *WHOLE, name="b.kg"))

    def test_errors_name_the_option(self):
        for text, option in (("a\tr\tb\tc\n", "--head, --relation and --tail"), ("a\tr\tb\tc\n", "--separator"),
                             ("title\na\tr\tb\nb\tr\tc\n", "--header"), ("<a> <b> <c> .\n", "--format")):
            self.refuse(BAD_DATA, "import", self.write("in.txt", text), "-o", "data.kg", says=["in.txt:1", option])

    def test_a_first_line_of_known_names_is_no_header(self):
        train = self.write("train.tsv", "a\tlikes\tb\nb\tlikes\tc\nc\thates\ta\nd\thates\ta\n")
        log = self.import_graph("--train", train, "--test", self.write("test.tsv", "a\thates\tc\nb\tlikes\td\n"))
        self.assertNotIn("warning", log)

    def test_blanks_after_commas(self):
        text = self.write("g.csv", "alice, knows, bob\nbob, knows, carol\ncarol, knows, alice\n")
        self.assertRegex(self.import_graph(text), "3 names differ .*--trim")
        self.assertIn("3 entities", self.import_graph(text, "--trim", name="b.kg"))

    def test_angle_brackets(self):
        yago = "<Albert>\t<bornIn>\t<Ulm>\n<Ulm>\t<isIn>\t<Germany>\n"
        self.assertIn("3 entities", self.import_graph(self.write("yago.tsv", yago)))


class OtherPrograms(ImportTest):
    NAMES = ["new york", "b", "c"]
    RELATIONS = ["likes", "hates"]
    TRAIN = [(0, 0, 1), (1, 0, 2), (2, 1, 0)]
    TEST = [(0, 0, 2)]

    def check(self, log, program, test=1):
        self.assertIn(f"a data set of {program}", log)
        self.assertIn(f"3 entities, 2 relations; 3 train, 0 valid, {test} test", log)
        self.succeed("attributes", "data.kg", "--entity", "new york")

    def lines(self, rows, order=(0, 1, 2), between="\t"):
        return "".join(between.join(str(row[i]) for i in order) + "\n" for row in rows)

    def test_openke(self):
        folder = self.folder / "oke"
        folder.mkdir()
        for name, rows in (("train", self.TRAIN), ("test", self.TEST)):
            self.write(f"oke/{name}2id.txt", f"{len(rows)}\n" + self.lines(rows, (0, 2, 1), " "))
        for name, names in (("entity", self.NAMES), ("relation", self.RELATIONS)):
            self.write(f"oke/{name}2id.txt", f"{len(names)}\n" + "".join(f"{n}\t{i}\n" for i, n in enumerate(names)))
        self.check(self.import_graph(folder), "OpenKE")
        self.write("oke/train2id.txt", "1\n0 9 0\n")
        self.refuse(BAD_DATA, "import", folder, "-o", "x.kg", says=["train2id.txt:2", "'9' is no id", "entity2id.txt"])

    def test_libkge(self):
        (self.folder / "lk").mkdir()
        for name, rows in (("train", self.TRAIN), ("test", self.TEST)):
            self.write(f"lk/{name}.del", self.lines(rows))
        for name, names in (("entity", self.NAMES), ("relation", self.RELATIONS)):
            self.write(f"lk/{name}_ids.del", self.lines(enumerate(names), (0, 1)))
        self.check(self.import_graph("lk"), "LibKGE")

    def test_pykeen(self):
        for name, rows in (("training", self.TRAIN), ("testing", self.TEST)):
            (self.folder / "pk" / name).mkdir(parents=True)
            text = "head_id\trelation_id\ttail_id\n" + self.lines(rows)
            self.write(f"pk/{name}/numeric_triples.tsv.gz", gzip.compress(text.encode()))
            for kind, names in (("entity", self.NAMES), ("relation", self.RELATIONS)):
                text = "id\tlabel\n" + self.lines(enumerate(names), (0, 1))
                self.write(f"pk/{name}/{kind}_to_id.tsv.gz", gzip.compress(text.encode()))
        self.check(self.import_graph("pk"), "PyKEEN")

    def write_ogb(self, save):
        """An OGB folder whose splits are dictionaries of arrays, with the negatives that OGB adds."""
        (self.folder / "ogb/split/time").mkdir(parents=True)
        (self.folder / "ogb/mapping").mkdir()
        for name, rows in (("train", self.TRAIN), ("test", self.TEST)):
            columns = {key: numpy.array([row[i] for row in rows]) for i, key in enumerate(("head", "relation", "tail"))}
            save({**columns, "head_neg": numpy.zeros((len(rows), 2), "i8")}, self.folder / f"ogb/split/time/{name}.pt")
        for file, head, of in (("nodeidx2entityid", "node idx,entity id", self.NAMES),
                               ("reltype2relid", "reltype,rel id", self.RELATIONS)):
            text = f"{head}\n" + self.lines(enumerate(of), (0, 1), ",")
            self.write(f"ogb/mapping/{file}.csv.gz", gzip.compress(text.encode()))

    def check_ogb(self, save):
        self.write_ogb(save)
        converted = subprocess.run([sys.executable, ROOT / "tools/ogb_splits.py", "ogb", "tsv"], cwd=self.folder, check=True,
                                   capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(converted[0], f"{len(self.TRAIN)} triples in tsv/train.tsv")
        command = shlex.split(converted[-1])
        self.assertEqual((command[:2], command[-2:]), (["tessera", "import"], ["-o", "data.kg"]))
        log = self.import_graph(*command[2:-2])
        self.assertIn("3 entities, 2 relations; 3 train, 0 valid, 1 test", log)
        self.succeed("attributes", "data.kg", "--entity", "new york")

    @unittest.skipIf(numpy is None, "numpy is missing")
    def test_ogb(self):
        def save(split, path):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", pickle.dumps(split, protocol=2))

        self.check_ogb(save)
        self.write("ogb/split/time/valid.pt", pickle.dumps(print))
        failed = subprocess.run([sys.executable, ROOT / "tools/ogb_splits.py", "ogb", "x"], cwd=self.folder, capture_output=True, text=True)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("asks for builtins.print", failed.stderr)

    def test_ogb_as_torch_saves_it(self):
        try:
            import torch
        except ImportError as missing:
            self.skipTest(str(missing))
        for tensors, zipped in ((False, True), (True, True), (False, False)):
            with self.subTest(tensors=tensors, zipped=zipped):
                for folder in ("ogb", "tsv", "data.kg"):
                    shutil.rmtree(self.folder / folder, ignore_errors=True)
                self.check_ogb(lambda split, path: torch.save(
                    {k: torch.from_numpy(v) if tensors else v for k, v in split.items()}, path, _use_new_zipfile_serialization=zipped))

    def test_a_list_of_names(self):
        names = self.write("nodeidx2entityid.csv", "node idx,entity id\n0,Q1\n1,Q2\n2,Q3\n")
        log = self.import_graph(self.write("edges.csv", "0,1\n1,2\n"), "--relation-name", "r", "--entity-names", names, *WHOLE)
        self.assertIn("names of 3 ids, in the first column", log)
        self.succeed("attributes", "data.kg", "--entity", "Q3")


class Rdf(ImportTest):
    TURTLE = '@prefix e: <http://e/> .\ne:a a e:Person ; e:age 5 ; e:knows e:b , [ e:age 7 ] .\ne:b e:name "B"@EN .\n'

    def reads_rdf(self):
        done = self.run_program("import", self.write("probe.ttl", "@prefix e: <http://e/> .\ne:a e:p e:b .\n"), "-o", "probe.kg")
        if done.returncode == USAGE:
            self.assertIn("TESSERA_RDF", done.stderr.decode())
            self.skipTest("this build reads no Turtle")

    def test_quads(self):
        text = '<http://e/a> <http://e/p> <http://e/b> <http://g> .\n<http://e/a> <http://e/v> "x" <http://g> .\n'
        log = self.import_graph(self.write("a.nq", text))
        self.assertIn("N-Quads", log)
        self.assertEqual(self.attributes("http://e/a"), {"http://e/v": "x"})

    def test_turtle(self):
        self.reads_rdf()
        for name, content in (("a.ttl", self.TURTLE.encode()), ("b.ttl.gz", gzip.compress(self.TURTLE.encode())),
                              ("c.nt", self.TURTLE.encode())):
            log = self.import_graph(self.write(name, content), *WHOLE, name=f"{name}.kg")
            self.assertIn("Turtle", log)
            self.assertIn("4 entities, 2 relations; 3 train", log)
            self.assertEqual(self.attributes("http://e/a", f"{name}.kg"), {"http://e/age": "5"})
        self.refuse(BAD_DATA, "import", self.write("bad.ttl", self.TURTLE + "e:a e:b\n"), "-o", "x.kg",
                    says=["bad.ttl:", "--format"])

    def test_rdf_xml(self):
        self.reads_rdf()
        text = ('<?xml version="1.0"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">\n'
                '<rdf:Description rdf:about="http://e/a"><e:p rdf:resource="http://e/b"/><e:age>5</e:age></rdf:Description>\n'
                '</rdf:RDF>\n')
        self.assertIn("RDF/XML", self.import_graph(self.write("a.rdf", text)))
        self.assertEqual(self.attributes("http://e/a"), {"http://e/age": "5"})

    def test_attributes_in_rdf(self):
        triples = self.write("t.nt", "<http://e/a> <http://e/p> <http://e/b> .\n")
        values = self.write("l.nt", '<http://e/a>\t<http://e/age>\t"12"\t.\n<http://e/a> <http://e/type> <http://e/T> .\n')
        log = self.import_graph(triples, "--attributes", values)
        self.assertIn("2 entities, 1 relations", log)
        self.assertEqual(self.attributes("http://e/a"), {"http://e/age": "12", "http://e/type": "http://e/T"})


class Paths(ImportTest):
    def test_outputs(self):
        triples = self.write_triples()
        self.import_graph(triples, name="x.kg/")
        self.refuse(USAGE, "import", triples, "-o", "", says=["--output"])
        (self.folder / "link.kg").symlink_to("later.kg")
        self.import_graph(triples, name="link.kg")
        self.assertTrue((self.folder / "later.kg" / "graph.h5").exists())

    def test_zstd_with_a_long_window(self):
        self.write_triples()
        subprocess.run(["zstd", "-q", "--ultra", "-20", "--long=31", "triples.tsv"], cwd=self.folder, check=True)
        self.import_graph("triples.tsv.zst")

    def test_many_datatypes(self):
        lines = [f'<http://e/a> <http://e/v> "{i}"^^<http://e/dt#{i}> .\n' for i in range(66000)]
        self.import_graph(self.write("d.nt", "<http://e/a> <http://e/p> <http://e/b> .\n" + "".join(lines)))


if __name__ == "__main__":
    support.main()
