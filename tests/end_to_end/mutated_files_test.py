# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged files whose checksums were forged: the program ends with an answer or says what is wrong. It never crashes or hangs.

TESSERA_MUTATIONS: how many files are mutated (default 60); TESSERA_MUTATION_SEED: which ones."""

import collections
import os
import random
import shutil

import support

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None

BAD_DATA = 65
ALLOWED = {
    0,
    BAD_DATA,
    64,  # a forged attribute names another graph, model or partition than the job
    66,  # a forged list lacks a file
    69,  # a forged size does not fit the budget
}


class MutatedFiles(support.ProgramTest):
    def setUp(self):
        super().setUp()
        if h5py is None:
            self.skipTest("numpy or h5py is missing")
        try:
            support.digest(b"")
        except OSError:
            self.skipTest("libxxhash is missing")
        self.draw = random.Random(int(os.environ.get("TESSERA_MUTATION_SEED", 1)))
        values = "".join(f"e{i:03}\t{key}\t{i * 37 % 91}\n" for i in range(60) for key in ("size", "year"))
        self.succeed("import", self.write_triples(), "--attributes", self.write("values.tsv", values), "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 2)
        self.job = self.write_job(**{"data.parts": 2, "train.epochs": 1, "validate.every": 0, "run.memory": '"64MiB"'})
        self.succeed("train", self.job)
        self.succeed("export", "run", "-o", "model", "--rows", "int4")
        self.write("questions.tsv", "e001\tr1\t?\n?\tr2\te003\n")

    # ---- mutations

    def flip_bytes(self, path):
        data = bytearray(path.read_bytes())
        for _ in range(self.draw.randrange(1, 9)):
            data[self.draw.randrange(len(data))] = self.draw.choice((0, 0xFF, self.draw.randrange(256)))
        path.write_bytes(data)

    def cut(self, path):
        data = path.read_bytes()
        path.write_bytes(data[:self.draw.randrange(len(data))])

    def splice(self, path):
        data = bytearray(path.read_bytes())
        size = min(len(data), self.draw.randrange(1, 2000))
        source, target = (self.draw.randrange(len(data) - size + 1) for _ in range(2))
        data[target:target + size] = data[source:source + size]
        path.write_bytes(data)

    def change_dataset(self, path):
        """Other values under a checksum that fits them."""
        with h5py.File(path, "r+") as file:
            found = []
            file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) and item.size else None)
            dataset = file[self.draw.choice(found)]
            raw = bytearray(dataset[...].tobytes())
            for _ in range(self.draw.randrange(1, 6)):
                raw[self.draw.randrange(len(raw))] = self.draw.choice((0, 1, 0x7F, 0xFF, self.draw.randrange(256)))
            dataset[...] = np.frombuffer(bytes(raw), dataset.dtype).reshape(dataset.shape)
            if "xxh3_128" in dataset.attrs:
                dataset.attrs.modify("xxh3_128", np.bytes_(support.digest(bytes(raw))))

    def change_attribute(self, path):
        with h5py.File(path, "r+") as file:
            owners = [file]
            file.visititems(lambda _, item: owners.append(item) if len(item.attrs) else None)
            owner = self.draw.choice([owner for owner in owners if len(owner.attrs)])
            name = self.draw.choice(sorted(owner.attrs))
            value = owner.attrs[name]
            if isinstance(value, np.integer):
                owner.attrs.modify(name, value.dtype.type(self.draw.choice((0, 1, 2**31, 2**62, self.draw.randrange(1000)))))
            elif isinstance(value, np.floating):
                owner.attrs.modify(name, value.dtype.type(self.draw.choice((0, -1, np.nan, np.inf))))
            else:
                del owner.attrs[name]

    def mutate(self, path):
        kinds = [self.change_dataset] * 4 + [self.flip_bytes, self.cut, self.splice, self.change_attribute]
        kind = self.draw.choice(kinds)
        kind(path)
        self.vouch(path)
        return kind.__name__

    # ---- what reads a file

    def commands(self, name):
        retrain = ("train", self.job, "run.folder=again")
        ask = ("predict", "run", "--queries", "questions.tsv", "-o", "answers.h5", "--where", "size > 10", "--show", "year")
        if name == "data.kg/graph.h5":
            return (("info", "data.kg"), ("partition", "data.kg", "--parts", 3, "--method", "random"),
                    ("attributes", "data.kg", "--entity", "e011"), ask)
        if name.startswith("data.kg/"):
            return ("info", "data.kg/parts-2"), retrain, ask
        if name.startswith("model/"):
            return ("info", "model"), ("evaluate", "model"), ("export", "model", "-o", "again", "--rows", "int8")
        return ("info", "run"), ask, ("evaluate", "run"), ("train", self.job, "--resume", "train.epochs=2")

    def test_mutated_files(self):
        originals = []
        for name in ("data.kg/graph.h5", "data.kg/parts-2", "run/checkpoints/epoch-000001", "model"):
            path = self.folder / name
            for file in [path] if path.is_file() else sorted(path.glob("*.h5")):
                originals.append(str(file.relative_to(self.folder)))
        for folder in ("data.kg", "run", "model"):
            shutil.copytree(self.folder / folder, self.folder / "whole" / folder)
        ends = collections.Counter()
        for number in range(int(os.environ.get("TESSERA_MUTATIONS", 60))):
            name = self.draw.choice(originals)
            kind = self.mutate(self.folder / name)
            for words in self.commands(name):
                self.make_whole(*(folder for folder in ("run", "data.kg", "model") if not name.startswith(folder)))
                done = self.run_program(*words, timeout=60)
                ends[words[0], done.returncode] += 1
                if done.returncode not in ALLOWED:
                    self.fail(f"mutation {number} ({kind} of {name}): {words} ended with {done.returncode}\n"
                              f"{done.stderr.decode(errors='replace')}")
            self.make_whole("run", "data.kg", "model")
        print(dict(ends))
        for command in ("info", "train", "predict"):
            self.assertGreater(ends[command, BAD_DATA], 0, f"no mutation was noticed by {command}")

    def make_whole(self, *folders):
        for name in ("again", "data.kg/parts-3", *folders):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in folders:
            shutil.copytree(self.folder / "whole" / name, self.folder / name)
        (self.folder / "answers.h5").unlink(missing_ok=True)


if __name__ == "__main__":
    support.main()
