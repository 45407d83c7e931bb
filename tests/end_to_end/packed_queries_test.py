# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of docs/formats, in numpy, finds in packed parts exactly the triples of the graph."""

import json
import os
import sys
from pathlib import Path

import support

ROOT = Path(__file__).resolve().parents[2]

try:
    import h5py
    import numpy as np

    sys.path.insert(0, str(ROOT / "docs" / "formats"))
    import read_queries
except ImportError:
    h5py = None

DATA = Path(os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
WORDNET = Path("/usr/share/wordnet")


class PackedQueries(support.ProgramTest):
    def check(self, graph, parts, method="random"):
        self.succeed("partition", graph, "--parts", parts, "--method", method)
        folder = self.folder / graph / f"parts-{parts}"
        with h5py.File(folder / "manifest.h5") as manifest:
            original = np.argsort(manifest["new_ids"][:])
        with h5py.File(self.folder / graph / "graph.h5") as file:
            relations = int(file.attrs["relations"])
            for split in ("train", "valid", "test"):
                head, relation, tail = read_queries.read_triples(file, split)
                expected = np.concatenate([np.stack([head, relation, tail]), np.stack([tail, relation + relations, head])], 1)
                found = np.concatenate([self.queries(folder / f"part-{p:04}.h5", split, original) for p in range(parts)], 1)
                self.assertTrue(np.array_equal(self.ordered(expected), self.ordered(found)), split)

    def queries(self, path, split, original):
        with h5py.File(path) as part:
            sources, relations, targets = read_queries.read_queries(part, split)
            keys = list(zip(relations, sources, targets))
            self.assertEqual(keys, sorted(keys))
            sources = original[sources + int(part.attrs["first_entity"])] if len(sources) else sources
            return np.stack([sources, relations, original[targets] if len(targets) else targets]).astype(np.int64)

    @staticmethod
    def ordered(columns):
        return columns[:, np.lexsort(columns)]

    def need_h5py(self):
        if h5py is None:
            self.skipTest("numpy and h5py are not installed for this Python")

    def test_fb15k_237(self):
        self.need_h5py()
        source = DATA / "FB15k-237"
        if not source.exists():
            self.skipTest(f"FB15k-237 is not in {DATA}")
        files = [word for split in ("train", "valid", "test") for word in (f"--{split}", source / f"{split}.tsv.zst")]
        self.succeed("import", *files, "--allow-unseen", "-o", "fb.kg")
        self.check("fb.kg", 5, "metis")

    def test_wordnet(self):
        self.need_h5py()
        if not (WORDNET / "data.noun").exists():
            self.skipTest("WordNet's data files are not there (package wordnet-base)")
        self.succeed("import", WORDNET / "data.verb", WORDNET / "data.adv", "--format", "wordnet", "-o", "words.kg")
        self.check("words.kg", 3)

    def test_the_reader_of_names_in_the_documents(self):
        """The Python of string_blocks.md, as it stands there, gives the names of the graph."""
        self.need_h5py()
        names = sorted({f"Battle of {chr(65 + i % 26)}\u00e9 {i * 7919 % 1000}" for i in range(900)} | {"a", "\u00ff", "x" * 60000})
        self.write("names.tsv", "".join(f"{a}\tnext\t{b}\n" for a, b in zip(names, names[1:] + names[:1])))
        self.succeed("import", "names.tsv", "-o", "DATA.kg")
        text = (ROOT / "docs" / "formats" / "string_blocks.md").read_text()
        code = text.split("```python\n")[1].split("```")[0].replace("DATA.kg", str(self.folder / "DATA.kg"))
        found = {}
        exec(compile(code, "string_blocks.md", "exec"), found)
        self.assertEqual(found["entities"], sorted(names, key=str.encode))
        self.assertEqual(found["relations"], ["next"])
        self.assertEqual(found["first"], found["entities"][0])

    def test_where_queries_lie_changes_no_bit(self):
        self.make_graph()
        digests = set()
        for place, ranks in (("memory", 1), ("stream", 1), ("stream", 2)):
            run = f"run-{place}-{ranks}"
            job = self.write_job(**{"run.folder": f'"{run}"', "memory.queries": f'"{place}"'})
            result = json.loads(self.succeed("train", "--json", job, ranks=ranks))
            ranked = json.loads(self.succeed("evaluate", "--json", run, ranks=ranks))
            digests.add((result["parameter_digest"], ranked["mrr"]))
        self.assertEqual(len(digests), 1)

    def test_long_lists(self):
        """A hub with more targets than a chunk has queries."""
        self.need_h5py()
        lines = [f"hub\tr\te{i}\n" for i in range(3000)] + [f"e{i}\ts\te{i * 7 % 3000}\n" for i in range(3000)]
        (self.folder / "hub.tsv").write_text("".join(lines))
        self.succeed("import", "hub.tsv", "-o", "hub.kg")
        self.check("hub.kg", 2)


if __name__ == "__main__":
    support.main()
