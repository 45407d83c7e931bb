#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Reads packed queries and triples without Tessera: numpy and h5py only. Layout: packed_queries.md, graph.md.

  read_queries.py PART.h5 [train|valid|test]    prints: source (local row), directed relation, target (global id)
"""

import sys

import h5py
import numpy as np

CHUNK_BITS = 10  # of a number 1 .. 1,024, less one


class Bits:
    """Numbers out of a run of bytes, least significant bit first."""

    def __init__(self, data):
        self.bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        self.at = 0

    def number(self, width):
        return int(self.numbers(1, width)[0])

    def numbers(self, count, width):
        taken = self.bits[self.at : self.at + count * width].reshape(count, width).astype(np.uint64)
        self.at += count * width
        return taken @ (np.uint64(1) << np.arange(width, dtype=np.uint64))

    def align(self):
        self.at += -self.at % 8


def read_header(bits, count):
    """Header of a patched column: count, low width, width of the high bits, exceptions."""
    width, has_exceptions = bits.number(6), bits.number(1)
    high, exceptions = (bits.number(6), bits.number(10) + 1) if has_exceptions else (0, 0)
    return count, width, high, exceptions


def read_column(bits, header):
    count, width, high, exceptions = header
    values = bits.numbers(count, width)
    bits.align()
    position_width = int(count - 1).bit_length() if count > 1 else 0
    for _ in range(exceptions):
        position = bits.number(position_width)
        values[position] |= np.uint64(bits.number(high) << width)
    bits.align()
    return values.astype(np.int64)


def read_chunk(data, first_source):
    """Sources and numbers of targets of one chunk."""
    bits = Bits(data)
    queries, lists = bits.number(CHUNK_BITS) + 1, bits.number(CHUNK_BITS) + 1
    lengths_are_numbers = bits.number(1) if lists < queries else 0
    firsts_are_changes, has_dictionary = bits.number(1), bits.number(1)
    entries = bits.number(CHUNK_BITS) + 1 if has_dictionary else 0
    base = bits.number(bits.number(6))
    headers = {"gaps": read_header(bits, lists - 1)}
    if lengths_are_numbers:
        headers["lengths"] = read_header(bits, lists)
    headers["firsts"] = read_header(bits, lists)
    if lists < queries:
        headers["target_gaps"] = read_header(bits, queries - lists)
    if has_dictionary:
        headers["dictionary"] = read_header(bits, entries - 1)
    bits.align()

    sources = first_source + np.concatenate([[0], np.cumsum(read_column(bits, headers["gaps"]) + 1)])
    if lengths_are_numbers:
        lengths = read_column(bits, headers["lengths"]) + 1
    elif lists < queries:
        starts = np.flatnonzero(bits.numbers(queries, 1))
        bits.align()
        lengths = np.diff(np.append(starts, queries))
    else:
        lengths = np.ones(lists, np.int64)
    firsts = read_column(bits, headers["firsts"])
    if firsts_are_changes:
        firsts = np.cumsum(np.where(firsts % 2 == 1, -(firsts + 1) // 2, firsts // 2))
    firsts = firsts + (0 if has_dictionary else base)
    gaps = read_column(bits, headers["target_gaps"]) + 1 if lists < queries else np.zeros(0, np.int64)
    ends = np.cumsum(lengths - 1)
    targets = [np.cumsum(np.append(first, gaps[end - length + 1 : end]))
               for first, length, end in zip(firsts, lengths, ends)]
    targets = np.concatenate(targets)
    if has_dictionary:
        dictionary = base + np.concatenate([[0], np.cumsum(read_column(bits, headers["dictionary"]) + 1)])
        targets = dictionary[targets]
    return np.repeat(sources, lengths), targets


def read_elsewhere(group):
    """Global ids of the targets that are no rows of the part (Elias-Fano)."""
    count, width = int(group.attrs["count"]), int(group.attrs["low_width"])
    low = Bits(group["low"][:].tobytes()).numbers(count, width).astype(np.int64)
    ones = np.flatnonzero(np.unpackbits(group["high"][:].view(np.uint8), bitorder="little"))
    return (ones - np.arange(count) << width) + low


def read_weights(group):
    """Weights of the queries of `group`, or of the triples of a segment of graph.h5, in their order."""
    weights = group["weights"]
    count, width = int(weights.attrs["count"]), int(weights.attrs["width"])
    indices = Bits(weights["indices"][:].tobytes()).numbers(count, width)
    values = weights["values"][:]
    return values[indices.astype(np.int64)] if len(values) else indices.astype(np.uint32).view(np.float32)


def read_triple_weights(graph):
    """Weights of the training triples of graph.h5, which has format version 3, in the order of read_triples()."""
    segments = graph["splits/train"]
    return np.concatenate([read_weights(segments[name]) for name in sorted(segments)])


def read_queries(part, split):
    """Columns of a split: sources (local rows), directed relations, targets (global ids)."""
    first, rows = int(part.attrs["first_entity"]), len(part["entities/original_id"])
    elsewhere = read_elsewhere(part["targets_elsewhere"])
    entities = np.sort(np.concatenate([elsewhere, np.arange(first, first + rows)]))  # by number of the target
    queries = part["queries"][split]
    relations = np.repeat(np.arange(len(queries["relation_chunks"]) - 1), np.diff(queries["relation_chunks"][:].astype(int)))
    offsets, data = queries["offset"][:].astype(int), queries["chunks"][:].tobytes()
    columns = [[], [], []]
    for k, first_source in enumerate(queries["first_source"][:].astype(int)):
        sources, targets = read_chunk(data[offsets[k] : offsets[k + 1]], first_source)
        for column, values in zip(columns, (sources, np.full(len(sources), relations[k]), entities[targets])):
            column.append(values)
    return [np.concatenate(column) if column else np.zeros(0, np.int64) for column in columns]


def read_triples(graph, split):
    """Columns of a split of graph.h5: heads, relations, tails (original ids)."""
    columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name in sorted(graph[f"splits/{split}"] if f"splits/{split}" in graph else []):
        segment = graph[f"splits/{split}/{name}"]
        offsets, data = segment["offset"][:].astype(int), segment["chunks"][:].tobytes()
        for k, relation in enumerate(segment["relation"][:]):
            heads, tails = read_chunk(data[offsets[k] : offsets[k + 1]], int(segment["first_head"][k]))
            for column, values in zip(columns, (heads, np.full(len(heads), relation, np.int64), tails)):
                column.append(values)
    return [np.concatenate(column) for column in columns]


if __name__ == "__main__":
    with h5py.File(sys.argv[1]) as file:
        for query in zip(*read_queries(file, sys.argv[2] if len(sys.argv) > 2 else "train")):
            print(*query, sep="\t")
