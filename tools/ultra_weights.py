#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a checkpoint of ULTRA (.pth) to .safetensors, for `tessera import-model --ultra`.

  ultra_weights.py ultra_3g.pth ultra_3g.safetensors

Needs Python 3 alone, no torch: a checkpoint is a zip file of raw numbers and a pickle that names them. The pickle is not
trusted: it may make dictionaries and describe tensors, and call nothing else."""

import collections
import json
import math
import pickle
import struct
import sys
import zipfile


class Tensor:
    """A tensor as the pickle describes it; only whole, contiguous fp32 tensors are read."""

    def __init__(self, storage, offset, shape, stride, *_):
        self.key, self.offset, self.shape = storage, offset, list(shape)
        expected = [math.prod(self.shape[axis + 1:]) for axis in range(len(self.shape))]
        if list(stride) != expected:
            raise ValueError(f"a tensor of shape {self.shape} does not lie in one piece")


class Unpickler(pickle.Unpickler):
    ALLOWED = {("collections", "OrderedDict"): collections.OrderedDict, ("torch._utils", "_rebuild_tensor_v2"): Tensor,
               ("torch", "FloatStorage"): "fp32"}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise ValueError(f"the checkpoint asks for {module}.{name}, which no weights need")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid):
        kind, storage, key = pid[:3]
        if kind != "storage" or storage != "fp32":
            raise ValueError("the checkpoint has numbers that are not fp32")
        return key


def convert(source, target):
    with zipfile.ZipFile(source) as archive:
        index = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index[:-len("data.pkl")]
        with archive.open(index) as file:
            tensors = Unpickler(file).load()["model"]
        header, numbers = {}, b""
        for name, tensor in tensors.items():
            size = 4 * math.prod(tensor.shape)
            raw = archive.read(f"{folder}data/{tensor.key}")[4 * tensor.offset:4 * tensor.offset + size]
            header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(numbers), len(numbers) + size]}
            numbers += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(target, "xb") as file:
        file.write(struct.pack("<Q", len(text)) + text + numbers)
    print(f"wrote {target}: {len(header)} tensors, {len(numbers) // 4} numbers")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        convert(*sys.argv[1:])
    except (OSError, ValueError, KeyError, StopIteration, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        sys.exit(f"ultra_weights.py: {error}")
