#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the entity rows of an exported model, in whatever format it stores them. docs/formats/model.md describes it.

  read_model.py MODEL/model.h5          prints format, shape and the first row
"""

import sys

import h5py
import numpy as np

GROUP = 32  # columns of a group, but for the last one


def from_bfloat16(halves):
    return (halves.astype(np.uint32) << 16).view(np.float32)


def decode_groups(rows, dim, bits):
    """Rows [N, bytes] of scales in bf16, then codes, as f32 [N, dim]."""
    count = -(-dim // GROUP)
    scales = from_bfloat16(np.ascontiguousarray(rows[:, : 2 * count]).view("<u2"))
    out = np.empty((len(rows), dim), np.float32)
    at = 2 * count
    for g in range(count):
        columns = min(GROUP, dim - g * GROUP)
        size = columns if bits == 8 else (columns + 1) // 2
        codes = rows[:, at : at + size]
        if bits == 8:
            codes = codes.view(np.int8)
        else:
            codes = np.concatenate([codes & 15, codes >> 4], axis=1)[:, :columns].astype(np.int8) - 8
        out[:, g * GROUP : g * GROUP + columns] = codes.astype(np.float32) * scales[:, g : g + 1]
        at += size
    return out


def decode_rows(file):
    """The rows of all entities, by id, as f32 [N, dim]."""
    rows = file["entities/rows"][:]
    name = file.attrs.get("row_format", "fp32")
    name = name.decode() if isinstance(name, bytes) else str(name)
    if name == "fp32":
        return rows
    if name == "bf16":
        return from_bfloat16(rows)
    if name == "fp16":
        return rows.view("<f2").astype(np.float32)
    return decode_groups(rows, int(file.attrs["dim"]), {"int8_groups": 8, "int4_groups": 4}[name])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with h5py.File(sys.argv[1]) as model:
        decoded = decode_rows(model)
        print(model.attrs.get("row_format", "fp32"), decoded.shape, decoded[0])
