#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the splits of an OGB data set of triples (ogbl-wikikg2, ogbl-biokg) as text for `tessera import`.

  ogb_splits.py ogbl_wikikg2 splits      reads ogbl_wikikg2/split/*/{train,valid,test}.pt, writes splits/{train,valid,test}.tsv

The lines are head, relation, tail by their ids; where entities have types (ogbl-biokg), TYPE:ID. The command that imports them
with their names is printed at the end. Negatives that OGB lists for its own evaluation are left out: Tessera ranks among all
entities. Needs numpy, no torch. A split is a pickle and is not trusted: it may make arrays, and call nothing else."""

import collections
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np

SPLITS = ("train", "valid", "test")
STORAGES = {"LongStorage": "<i8", "IntStorage": "<i4", "FloatStorage": "<f4"}


class Tensor:
    """A tensor as the pickle describes it; its numbers are found later."""

    def __init__(self, storage, offset, shape, *_):
        self.storage, self.offset, self.shape = storage, offset, tuple(shape)


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return Tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.ndarray.__reduce__(np.zeros(0))[0]
        if module == "_codecs" and name == "encode":  # bytes of arrays in old pickles
            return lambda text, _: text.encode("latin1")
        raise ValueError(f"the split asks for {module}.{name}, which no triples need")

    def persistent_load(self, pid):
        return pid[2], pid[1]


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        index = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        with archive.open(index) as file:
            split = Unpickler(file).load()
        for name, value in split.items():
            if isinstance(value, Tensor):
                key, dtype = value.storage
                numbers = np.frombuffer(archive.read(index[:-len("data.pkl")] + f"data/{key}"), dtype)
                split[name] = numbers[value.offset:value.offset + int(np.prod(value.shape))].reshape(value.shape)
    return split


def read_split(path):
    """A dictionary of arrays, as torch.save wrote it: a zip file, or in older files pickles one after the other."""
    if zipfile.is_zipfile(path):
        return read_zip(path)
    with path.open("rb") as file:
        for _ in range(3):  # a magic number, the version, sizes of integers
            Unpickler(file).load()
        split = Unpickler(file).load()
    if any(isinstance(value, Tensor) for value in split.values()):
        raise ValueError(f"'{path}' is an old file of tensors; load it with torch and save it again")
    return split


def names(split, end):
    """Ids of heads or tails as text, after their types if they have any."""
    ids = np.asarray(split[end]).astype(np.int64).astype(str)
    types = split.get(f"{end}_type")
    return ids if types is None else np.char.add(np.char.add(np.asarray(types, str), ":"), ids)


def write_split(split, path):
    columns = (names(split, "head"), np.asarray(split["relation"]).astype(np.int64).astype(str), names(split, "tail"))
    with path.open("x", encoding="utf-8") as file:
        for line in zip(*columns, strict=True):
            file.write("\t".join(line) + "\n")
    return len(columns[0])


def import_command(data, out):
    words = [f"--{name} {out / name}.tsv" for name in SPLITS if (out / f"{name}.tsv").exists()]
    for option, file in (("--entity-names", "nodeidx2entityid.csv.gz"), ("--relation-names", "reltype2relid.csv.gz")):
        if (data / "mapping" / file).exists():
            words.append(f"{option} {data / 'mapping' / file}")
    return " ".join(["tessera import", *words, "-o data.kg"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = {name: path for name in SPLITS for path in sorted(data.glob(f"split/*/{name}.pt"))}
    if "train" not in found:
        sys.exit(f"'{data}' is no OGB data set of triples: it has no split/*/train.pt")
    out.mkdir(parents=True, exist_ok=True)
    for name, path in found.items():
        split = read_split(path)
        if not isinstance(split, dict) or not {"head", "relation", "tail"} <= set(split):
            sys.exit(f"'{path}' has no head, relation and tail")
        print(f"{write_split(split, out / f'{name}.tsv')} triples in {out / name}.tsv")
    print(import_command(data, out))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        sys.exit(f"ogb_splits.py: {error}")
