#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Reads graphs, models and results of Tessera into numpy, pandas and PyKEEN.

    import tessera_results as tr
    graph = tr.Graph("data.kg")                 # graph.entities, graph.relations, graph.triples("train"), graph.attribute("type")
    model = tr.Model("MODEL")                   # of `tessera export RUN -o MODEL`
    model.vectors                               # float32 [entities, dim], by id
    model["dog.n.01"]                           # the vector of one entity
    tr.metrics("RUN")                           # a row per epoch
    tr.ranks("RUN", "test", graph)              # a row per query of `tessera evaluate`, with names
    tr.figures("RUN", "test")["all"]["realistic_mrr"]
    tr.predictions("answers.h5")                # a row per answer of `tessera predict -o answers.h5`
    tr.table("pairs.h5")                        # of `tessera predict --relation`, `score`, `similar`; .tsv, .csv and .jsonl, too
    tr.pykeen_model(model, graph)               # a PyKEEN model with the same vectors, and its triples factory

Tables are pandas data frames where pandas is installed, else dicts of numpy arrays. Needs numpy and h5py. The layouts are
described in docs/formats; the readers of packed data there are used.

  tessera_results.py PATH            prints the first rows of a results file
"""

import json
import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "formats"))
from read_attributes import columns as attribute_columns  # noqa: E402
from read_model import decode_rows  # noqa: E402
from read_queries import read_triples  # noqa: E402

SPLITS = ("", "train", "valid", "test")
SIDES = ("tail", "head", "relation")


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def frame(columns):
    """A data frame of a dict of columns, or the dict itself."""
    try:
        import pandas
    except ImportError:
        return {name: np.asarray(values) for name, values in columns.items()}
    return pandas.DataFrame(columns)


# ---- names (docs/formats/string_blocks.md)


def names_by_offsets(group, prefix="name_"):
    data, at = group[f"{prefix}bytes"][:].tobytes(), group[f"{prefix}offsets"][:].tolist()
    return [data[a:b].decode() for a, b in zip(at, at[1:])]


def codes(group):
    table, code, bits = {}, -1, 0
    for row in group["symbols"][:].tolist():
        code = (code + 1) << (row[0] - bits)
        bits = row[0]
        table[bits, code] = (row[1], bytes(row[2:]))
    return table


class Bits:
    """The bits of a bucket, first bit first."""

    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, bits):
        self.left -= bits
        return self.value >> self.left & (1 << bits) - 1

    def symbol(self, table):
        bits, code = 1, self.take(1)
        while (bits, code) not in table:
            bits, code = bits + 1, code << 1 | self.take(1)
        return table[bits, code]


def bucket_strings(data, count, prefix, table):
    bits, last, shared, strings = Bits(data), prefix, len(prefix), []
    while len(strings) < count:
        last = last[:shared]
        kind, symbol = bits.symbol(table)
        while kind not in (8, 9):
            last += bytes([bits.take(8)]) if kind == 10 else symbol[:kind]
            kind, symbol = bits.symbol(table)
        shared = symbol[0] if kind == 8 else bits.take(32)
        strings.append(last.decode())
    return strings


def packed_strings(group):
    """All strings of a group of packed strings, by rank."""
    table, count, strings = codes(group), int(group.attrs["count"]), []
    starts, data = group["page_offsets"][:].astype(int).tolist(), group["bytes"][:].tobytes()
    for p, (start, end) in enumerate(zip(starts, starts[1:])):
        page = data[start : end - 4]
        held = min(256, count - 256 * p)
        buckets, width, prefix = (held + 7) // 8, page[0], page[2 : 2 + page[1]]
        at = 2 + page[1] + 4 * (buckets - 1)
        coded = page[at + width * (buckets - 1) :]
        begin = [0] + [int.from_bytes(page[at + width * b :][:width], "little") for b in range(buckets - 1)] + [len(coded)]
        for b in range(buckets):
            strings += bucket_strings(coded[begin[b] : begin[b + 1]], min(8, held - 8 * b), prefix, table)
    return strings


# ---- graphs and models


class Graph:
    """A graph folder (`tessera import`)."""

    def __init__(self, folder):
        self.path = Path(folder) / "graph.h5"
        with h5py.File(self.path) as file:
            self.entities = packed_strings(file["entities/names"])
            self.relations = packed_strings(file["relations/names"])

    def ids(self, split="train"):
        """int64 [triples, 3] of head, relation and tail ids."""
        with h5py.File(self.path) as file:
            return np.stack(read_triples(file, split), axis=1).astype(np.int64)

    def triples(self, split="train"):
        """A table of names."""
        ids = self.ids(split)
        entities, relations = np.asarray(self.entities, object), np.asarray(self.relations, object)
        return frame({"head": entities[ids[:, 0]], "relation": relations[ids[:, 1]], "tail": entities[ids[:, 2]]})

    def attribute(self, name):
        """Values by entity name: {name: [values as text]}."""
        found = {}
        with h5py.File(self.path) as file:
            for _, _, entities, values, _ in attribute_columns(file, [name]):
                for entity, value in zip(entities, values):
                    found.setdefault(self.entities[entity], []).append(value)
        return found


class Model:
    """A folder of `tessera export RUN -o MODEL` or `tessera import-model`."""

    def __init__(self, folder):
        path = Path(folder) / "model.h5"
        if not path.exists():
            raise FileNotFoundError(f"'{path}' does not exist; 'tessera export RUN -o MODEL' makes it of a run")
        with h5py.File(path) as file:
            self.name = text(file.attrs["model"])
            self.dim = int(file.attrs["dim"])
            self.entities = names_by_offsets(file["entities"])
            self.relations = names_by_offsets(file["relations"])
            self.vectors = decode_rows(file)
            self.relation_vectors = file["relations/rows"][:]  # [2 R, ...]: row r + R is of the inverse of r
        self.id_of = {name: i for i, name in enumerate(self.entities)}

    def __getitem__(self, name):
        return self.vectors[self.id_of[name]]

    def frame(self):
        """A table with the vectors of all entities by name."""
        return frame({"entity": self.entities, **{f"x{k}": self.vectors[:, k] for k in range(self.dim)}})


# ---- results


def metrics(run):
    """A row per epoch of a run."""
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    keys = dict.fromkeys(key for line in lines for key, value in line.items() if not isinstance(value, (dict, list)))
    return frame({key: [line.get(key) for line in lines] for key in keys})


def evaluation_file(run, split):
    path = Path(run)
    return path if path.is_file() else path / f"evaluation-{split}.h5"


def ranks(run, split="test", graph=None):
    """A row per query: ids (names with a graph), counts, and the realistic rank."""
    with h5py.File(evaluation_file(run, split)) as file:
        columns = {name: file[f"queries/{name}"][:] for name in file["queries"]}
    columns["rank"] = 1 + columns["n_greater"] + columns["n_equal"] / 2
    columns["side"] = np.asarray(SIDES, object)[columns["side"]]
    if graph is not None:
        for name, of in (("head", graph.entities), ("relation", graph.relations), ("tail", graph.entities)):
            columns[name] = np.asarray(of, object)[columns[name].astype(int)]
    return frame(columns)


def figures(run, split="test"):
    """{side: {figure: value}} of an evaluation; sides are all, tail and head; a figure has its tie rule before it: realistic_mrr."""
    with h5py.File(evaluation_file(run, split)) as file:
        return {side: {name: value for name, value in file[f"metrics/{side}"].attrs.items()} for side in file["metrics"]}


def predictions(path):
    """A row per answer of a file that `tessera predict --query ... -o FILE.h5` wrote, with the attributes shown of each answer."""
    with h5py.File(path) as file:
        names = {kind: dict(zip(file[f"{kind}/id"][:].tolist(), names_by_offsets(file[kind]))) for kind in ("entities", "relations")}
        columns = {name: [] for name in ("head", "relation", "tail", "asked", "score", "rank", "known")}
        queries = {name: file[f"queries/{name}"][:].tolist() for name in file["queries"]}
        answers = {name: file[f"answers/{name}"][:] for name in file["answers"]}
        shown = dict(shown_values(group) for group in file.get("shown", {}).values())
    for q, (entity, side) in enumerate(zip(queries["entity"], queries["side"])):
        for k in range(queries["answers"][q]):
            answer = int(answers["entity"][q, k])
            relation = names["relations"][answer if side == 2 else queries["relation"][q]]
            given = names["entities"][entity]
            head = names["entities"][answer] if side == 1 else given
            tail = given if side == 1 else names["entities"][queries["other"][q] if side == 2 else answer]
            row = (head, relation, tail, SIDES[side], answers["score"][q, k], k + 1, SPLITS[answers["known_in"][q, k]])
            for column, value in zip(columns.values(), row):
                column.append(value)
            for name, of in shown.items():
                columns.setdefault(name, []).append("; ".join(of.get(answer, ())) if side != 2 else "")
    return frame(columns)


def shown_values(group):
    """The name of an attribute, and the values of each entity by its id."""
    of = {}
    for entity, value in zip(group["entity"][:].tolist(), names_by_offsets(group, "value_")):
        of.setdefault(entity, []).append(value)
    return text(group.attrs["name"]), of


def table(path):
    """A table of `predict --relation`, `score` or `similar` in any of their formats."""
    path = Path(path)
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return frame({key: [line[key] for line in lines] for key in (lines[0] if lines else [])})
    if path.suffix in (".csv", ".tsv"):
        import csv

        with path.open(newline="") as file:
            rows = list(csv.reader(file, **({} if path.suffix == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE})))
        return frame({name: numbers([row[i] for row in rows[1:]], name) for i, name in enumerate(rows[0])})
    with h5py.File(path) as file:
        columns = text(file.attrs["columns"]).split(",")
        return frame({name: names_by_offsets(file[name], "") if isinstance(file[name], h5py.Group) else file[name][:] for name in columns})


def numbers(values, name):
    """Columns that are numbers by their meaning."""
    are = name.endswith("rank") or name in ("score", "probability", "cosine", "dot", "distance")
    return np.asarray([float(v) if v else np.nan for v in values]) if are else values


# ---- PyKEEN


def pykeen_model(model, graph):
    """(model, factory) of PyKEEN with the same vectors, rows of inverse relations included: its evaluators give the figures of
    `tessera evaluate`. Of complex, distmult, transe_l1, transe_l2 and rotate; needs pykeen and torch."""
    import torch
    from pykeen.models import ERModel
    from pykeen.nn import Embedding
    from pykeen.nn.init import PretrainedInitializer
    from pykeen.triples import TriplesFactory

    interactions = {"complex": ("complex", {}), "distmult": ("distmult", {}), "rotate": ("rotate", {}),
                    "transe_l1": ("transe", {"p": 1}), "transe_l2": ("transe", {"p": 2})}
    if model.name not in interactions:
        raise ValueError(f"model '{model.name}' is not known to PyKEEN under this formula; known here: {', '.join(interactions)}")
    interaction, options = interactions[model.name]
    factory = TriplesFactory(torch.as_tensor(graph.ids("train")), {n: i for i, n in enumerate(graph.entities)},
                             {n: i for i, n in enumerate(graph.relations)}, create_inverse_triples=True)

    def embedding(rows):
        if model.name == "rotate" and rows.shape[1] < model.dim:
            rows = np.exp(1j * rows.astype(np.float64))
        elif model.name in ("complex", "rotate"):
            half = rows.shape[1] // 2
            rows = rows[:, :half] + 1j * rows[:, half:]
        tensor = torch.as_tensor(rows.astype(np.complex64 if np.iscomplexobj(rows) else np.float32))
        parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        return Embedding(max_id=len(tensor), shape=tensor.shape[1:], dtype=tensor.dtype,
                         initializer=PretrainedInitializer(parts), trainable=False)

    plain = len(model.relations)
    interleaved = np.arange(2 * plain).reshape(2, plain).T.ravel()  # PyKEEN has a relation and its inverse side by side
    made = ERModel(triples_factory=factory, interaction=interaction, interaction_kwargs=options,
                   entity_representations=embedding(model.vectors),
                   relation_representations=embedding(model.relation_vectors[interleaved]))
    return made.eval(), factory


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    if path.suffix not in (".h5", ".hdf5"):
        return print(table(path))
    with h5py.File(path) as file:
        kind = text(file.attrs["kind"])
    print({"table": table, "predictions": predictions, "evaluation": ranks}[kind](path))


if __name__ == "__main__":
    main()
