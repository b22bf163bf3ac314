"""Reads and writes `.safetensors` (https://github.com/huggingface/safetensors#format).

The file is: u64 little-endian length of the header; the header, a JSON object
name -> {dtype, shape, data_offsets} plus `__metadata__` (string -> string),
padded with spaces to 8 bytes; then the tensors' bytes, little-endian, row-major.
"""
import json
import os
import struct

import numpy as np

_NAMES = {np.dtype("<f2"): "F16", np.dtype("<f4"): "F32", np.dtype("<i8"): "I64"}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}


def save(path, tensors, metadata):
    """Writes numpy arrays atomically; names sorted, so the same input gives the same bytes."""
    header, offset, parts = {"__metadata__": metadata}, 0, []
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        parts.append(array.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = f"{path}.partial"
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(parts)
    os.replace(partial, path)


def load(path):
    """Returns (name -> numpy array, metadata)."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, stop = (8 + length + at for at in entry["data_offsets"])
        tensors[name] = np.frombuffer(content[start:stop], _TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata
