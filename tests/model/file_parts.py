"""The parts of a model file, and files with other parts."""

import json
import struct

from seedbed.model.model_file import KEY, canonical, fingerprint


def parts_of(content: bytes):
    """The header of a file, the description in it, and the bytes of the tensors."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return header, json.loads(header["__metadata__"][KEY]), content[start:]


def with_header(text: str, tensors: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode() + tensors


def rewritten(content: bytes, change, *, sealed: bool = True) -> bytes:
    """The file with a changed description, and with a valid checksum if it is sealed."""
    header, values, tensors = parts_of(content)
    change(values, header)
    if sealed:
        values["sha256"] = fingerprint(values, memoryview(tensors))
    header.setdefault("__metadata__", {})[KEY] = canonical(values)
    return with_header(json.dumps(header), tensors)
