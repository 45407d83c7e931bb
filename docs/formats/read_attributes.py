#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Reads packed attribute columns (attributes.md) with numpy and h5py: a specification that runs.

  read_attributes.py FILE [ATTRIBUTE...]    prints entity, attribute, value, datatype; tabs between

FILE is graph.h5 or part-NNNN.h5; entities are original ids in the first, local rows in the second. For blocks of text it
calls the program zstd.
"""

import subprocess
import sys
import tempfile

import h5py
import numpy as np

TYPES = ["text", "number", "date"]
DECIMAL, SPLIT, DATE, DOUBLE, DICTIONARY, BLOCKS = range(6)
BLOCK, BUCKET = 1024, 16


class Reader:
    """Bytes from front to back."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        return self.take(1)[0]

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("the column is shorter than it says")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def bits_of(data, first, width, count):
    """`count` numbers of `width` bits each from bit `first` on, the least significant bit first."""
    if width == 0:
        return np.zeros(count, np.uint64)
    flat = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[first : first + width * count]
    return flat.reshape(count, width).astype(np.uint64) @ (np.uint64(1) << np.arange(width, dtype=np.uint64))


def patched(header, data, at, count):
    """A patched column at byte `at`; `header` is (width, high width, patches). Returns it and where it ends."""
    width, high_width, patches = header
    values = bits_of(data[at : at + (width * count + 7) // 8], 0, width, count)
    at += (width * count + 7) // 8
    place = (count - 1).bit_length() if patches else 0
    found = bits_of(data[at : at + (patches * (place + high_width) + 7) // 8], 0, place + high_width, patches)
    for patch in found:
        values[int(patch) & ((1 << place) - 1)] |= np.uint64(int(patch) >> place << width)
    return values, at + (patches * (place + high_width) + 7) // 8


def number_block(data, count):
    bit = 0

    def take(width):
        nonlocal bit
        value = int.from_bytes(data[bit // 8 : bit // 8 + 9], "little") >> bit % 8 & ((1 << width) - 1)
        bit += width
        return value

    def header():
        width, has_patches = take(6), take(1)
        return (width, take(6), take(10) + 1) if has_patches else (width, 0, 0)

    least = take(7)
    least = take(min(least, 32)) | take(max(least - 32, 0)) << 32
    least = least >> 1 ^ -(least & 1)
    is_wide = take(1)
    low_header = header()
    high_header = header() if is_wide else None
    values, at = patched(low_header, data, (bit + 7) // 8, count)
    if is_wide:
        values |= patched(high_header, data, at, count)[0] << np.uint64(32)
    return (values + np.uint64(least % 2**64)).view(np.int64)


def numbers(reader, count):
    if count == 0:
        return np.zeros(0, np.int64)
    size, blocks = reader.varint(), -(-count // BLOCK)
    width = size.bit_length()
    starts = [0, *bits_of(reader.take((width * (blocks - 1) + 7) // 8), 0, width, blocks - 1).tolist()]
    data = reader.take(size)
    return np.concatenate([number_block(data[start:], min(BLOCK, count - BLOCK * i)) for i, start in enumerate(starts)])


def ascending(reader, count):
    if count == 0:
        return np.zeros(0, np.uint64)
    if reader.byte() == 0:
        return np.arange(count, dtype=np.uint64) + np.uint64(reader.varint())
    low_width, words = reader.byte(), reader.varint()
    reader.at = (reader.at + 7) // 8 * 8
    ones = np.flatnonzero(np.unpackbits(np.frombuffer(reader.take(8 * words), np.uint8), bitorder="little"))
    low = bits_of(reader.take((count * low_width + 7) // 8), 0, low_width, count)
    return (ones - np.arange(count)).astype(np.uint64) << np.uint64(low_width) | low


def front_coded(reader, count):
    if count == 0:
        return []
    size = reader.varint()
    numbers(reader, -(-count // BUCKET))  # ends of the buckets: not needed from front to back
    strings, text = Reader(reader.take(size)), b""
    out = []
    for i in range(count):
        shared = strings.varint() if i % BUCKET else 0
        text = text[:shared] + strings.take(strings.varint())
        out.append(text.decode())
    return out


def outliers(reader):
    count = reader.varint()
    positions = numbers(reader, count)
    if count == 0:
        return {}
    size = reader.varint()
    ends = [0, *numbers(reader, count).tolist()]
    text = reader.take(size)
    return {int(p): text[a:b].decode() for p, a, b in zip(positions, ends, ends[1:])}


def decimal_text(number, least, most):
    while most > least and number % 10 == 0:
        number, most = number // 10, most - 1
    digits = str(abs(number)).rjust(most + 1, "0")
    return ("-" if number < 0 else "") + digits[: len(digits) - most] + ("." + digits[len(digits) - most :] if most else "")


def double_text(number):
    """The fewest digits that give the double back, as fixed or scientific notation, whichever is shorter."""
    bits = np.int64(number if number >= 0 else number ^ 0x7FFFFFFFFFFFFFFF)
    value = float(bits.view(np.float64))
    scientific = np.format_float_scientific(value, trim="-", exp_digits=2)
    fixed = str(int(value)) if value == int(value) != 0 else np.format_float_positional(value, trim="-")
    return fixed if len(fixed) <= len(scientific) else scientific


def unpack_text(data, dictionary):
    with tempfile.NamedTemporaryFile() as learned:
        learned.write(dictionary)
        learned.flush()
        return subprocess.run(["zstd", "-dc", *(["-D", learned.name] if dictionary else [])], input=data, stdout=subprocess.PIPE,
                              check=True).stdout


def text_blocks(reader, count):
    per_block = reader.varint()
    dictionary = reader.take(reader.varint())
    size = reader.varint()
    numbers(reader, -(-count // per_block))  # ends of the blocks: frames that follow each other are one stream
    text = Reader(unpack_text(reader.take(size), dictionary))
    return [text.take(text.varint()).decode() for _ in range(count)]


def values(encoding, reader, count):
    if encoding == BLOCKS:
        return text_blocks(reader, count)
    if encoding == DICTIONARY:
        texts = front_coded(reader, reader.varint())
        return [texts[code] for code in numbers(reader, count)]
    if encoding == SPLIT:
        fractions = front_coded(reader, reader.varint())
        other, wholes = outliers(reader), numbers(reader, count).tolist()
        codes = numbers(reader, count) if len(fractions) > 1 else [0] * count
        texts = [("-" + str(~w) if w < 0 else str(w)) + fractions[c] for w, c in zip(wholes, codes)]
    else:
        least, most = (reader.byte(), reader.byte()) if encoding == DECIMAL else (0, 0)
        other, coded = outliers(reader), numbers(reader, count).tolist()
        if encoding == DECIMAL:
            texts = [decimal_text(number, least, most) for number in coded]
        elif encoding == DATE:
            texts = [str(np.datetime64(day, "D")) for day in coded]
        else:
            texts = [double_text(number) for number in coded]
    for position, text in other.items():
        texts[position] = text
    return texts


def column(data):
    """Type, entities, values and datatypes of one column."""
    reader = Reader(data)
    kind, encoding, count = TYPES[reader.byte()], reader.byte(), reader.varint()
    if count == 0:
        return kind, [], [], []
    distinct = reader.varint()
    entities = ascending(reader, distinct)
    if distinct < count:
        starts = ascending(reader, distinct).astype(np.int64)
        entities = np.repeat(entities, np.diff(np.append(starts, count)))
    datatypes = numbers(reader, reader.varint())
    datatypes = datatypes[numbers(reader, count)] if len(datatypes) > 1 else np.repeat(datatypes, count)
    return kind, entities.tolist(), values(encoding, reader, count), datatypes.tolist()


def columns(file, wanted=None):
    """Yields name, type, entities, values and datatypes of the attributes of an open file."""
    if "attributes" not in file:
        return
    group = file["attributes"]
    count = int(group.attrs["columns"])
    names = front_coded(Reader(group["names"][:].tobytes(), count), count)
    offsets, data = group["offsets"][:].tolist(), group["bytes"]
    for name, begin, end in zip(names, offsets, offsets[1:]):
        if not wanted or name in wanted:
            yield name, *column(data[begin:end].tobytes())


def main(path, *wanted):
    with h5py.File(path) as file:
        names = None
        if "datatypes" in file.get("attributes", {}):
            group = file["attributes"]
            names = front_coded(Reader(group["datatypes"][:].tobytes()), int(group.attrs["datatypes"]))
        for name, _, entities, texts, datatypes in columns(file, wanted):
            for entity, text, datatype in zip(entities, texts, datatypes):
                print(entity, name, text, names[datatype] if names else datatype, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
