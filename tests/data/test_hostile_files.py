"""Damaged and hostile files of every kind give a table or one clear error."""

import contextlib
import gzip
import json
import os
import random
import socket
import struct

import duckdb
import openpyxl
import pytest

from seedbed.data.inspection import inspect_table
from seedbed.errors import SeedbedError, UnreadableError

ROWS = [(i, f"x{i % 3}", i % 2) for i in range(60)]
TEXT = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)


def excel_file(path):
    book = openpyxl.Workbook()
    for row in [("a", "b", "y"), *ROWS]:
        book.active.append(row)
    book.save(path)


def parquet_file(path):
    select = "SELECT i AS a, 'x' || i % 3 AS b, [i, i + 1] AS l, i % 2 AS y FROM range(60) AS t(i)"
    duckdb.execute(f"COPY ({select}) TO '{path}' (COMPRESSION zstd)")


KINDS = {
    "t.xlsx": excel_file,
    "t.parquet": parquet_file,
    "t.csv": lambda path: path.write_text(TEXT),
    "t.utf16.csv": lambda path: path.write_text(TEXT, encoding="utf-16"),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "t.json": lambda path: path.write_text(
        json.dumps([dict(zip("aby", row, strict=True)) for row in ROWS])
    ),
}


def changed(content: bytes, draw: random.Random) -> bytes:
    """Change bytes in a few places, or truncate the file."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 3, 10])):
        place = draw.randrange(len(found))
        number = struct.pack(
            "<I", draw.choice([0, 1, 2**31 - 1, 2**32 - 1, draw.getrandbits(32)])
        )
        found[place : place + draw.choice([1, 4])] = number[: draw.choice([1, 4])]
    return bytes(found[: draw.randrange(len(found))] if draw.random() < 0.2 else found)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", KINDS)
def test_changed_bytes_give_a_table_or_a_seedbed_error(tmp_path, name):
    path, draw = tmp_path / name, random.Random(name)
    KINDS[name](path)
    content = path.read_bytes()
    for _ in range(12):
        path.write_bytes(changed(content, draw))
        with contextlib.suppress(SeedbedError):
            inspect_table(path)


def test_sockets_link_loops_and_devices_are_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for path in (
            tmp_path / "socket",
            tmp_path / "loop",
            "/dev/zero",
            "/dev/null",
            "/dev/random",
        ):
            with pytest.raises(SeedbedError):
                inspect_table(path)


HOLES = {"t.csv": b"a,y\n1,0\n", "t.json": b'[{"a":1,"y":0}]'}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", HOLES)
def test_the_holes_of_a_sparse_file_are_not_read(write, name):
    path = write(HOLES[name], name)
    os.truncate(path, 1 << 40)
    with pytest.raises(UnreadableError):
        inspect_table(path)
