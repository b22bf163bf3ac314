"""Weights that differ in nothing but their digest."""
import hashlib
import json
import struct

from tests.process.programs import ROOT


def weights(path, note):
    """The built-in weights under a digest of their own: a note in the file's metadata. Gives its URI and the digest's first digits."""
    content = (ROOT / "inference/weights/shapes.safetensors").read_bytes()
    length, = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    header["__metadata__"]["note"] = note
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length:])
    return f"file://{path}", hashlib.sha256(path.read_bytes()).hexdigest()[:12]
