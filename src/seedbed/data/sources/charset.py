"""The encoding of a text file, found before the file is read. A note says if it isn't UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

from seedbed.errors import UnreadableError
from seedbed.evaluation.summaries import Note

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NOT_TEXT = "A table is CSV, TSV or JSON text, gzip of it, Excel or Parquet: save it as one of these."
SAVE_UTF8 = "Save it as UTF-8 (in Excel: 'CSV UTF-8')."


@dataclass(frozen=True)
class Charset:
    """Encoding of a file; the codec skips a byte order mark.

    A file is `plain` if DuckDB can read it itself: UTF-8 without byte order mark and carriage
    returns.
    """

    codec: str
    plain: bool = False
    notes: tuple[Note, ...] = ()

    def open(self, path: Path) -> io.TextIOWrapper:
        """Open a file, which may be compressed, as text with LF line ends."""
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
        return io.TextIOWrapper(
            gzip.open(path) if packed else path.open("rb"), encoding=self.codec
        )

    def copy(self, path: Path, to: Path, *, skip: int = 0) -> None:
        """Write the text as UTF-8 with LF line ends and without byte order mark; an empty line
        stands for skipped ones.

        A first cell that begins with U+FEFF would be read as a byte order mark without that line.
        """
        with (
            self.open(path) as text,
            to.open("w", encoding="utf-8", newline="\n") as out,
        ):
            for _ in itertools.islice(text, skip):
                pass
            out.write("\n" if skip else "")
            shutil.copyfileobj(text, out, CHUNK)


def find_charset(path: Path, where: str) -> Charset:
    """Return UTF-8, UTF-16 if a byte order mark says so, or else Windows-1252 with a note."""
    with path.open("rb") as raw:
        mark = raw.read(2)
    if mark in BYTE_ORDER_MARKS:
        _, line, byte = _walk(path, BYTE_ORDER_MARKS[mark], where)
        if byte is not None:
            raise UnreadableError(
                f"{where}: line {line} holds bytes that aren't UTF-16", SAVE_UTF8
            )
        return Charset(
            "utf-16", notes=(Note("the text is UTF-16, as its first two bytes say"),)
        )
    plain, line, byte = _walk(path, "utf-8", where)
    if byte is None:
        return Charset("utf-8-sig", plain=plain)
    finding = f"line {line} holds a byte that isn't UTF-8 (0x{byte:02x})"
    n_letters = n_bad = 0  # beyond ASCII
    with path.open(encoding="utf-8", errors="replace") as text:
        while chunk := text.read(CHUNK):
            n_letters += len(chunk) - len(chunk.encode("ascii", errors="ignore"))
            n_bad += chunk.count("\ufffd")
    if n_letters - n_bad >= n_bad:  # the others are damaged
        raise UnreadableError(
            f"{where}: {finding}, though letters elsewhere are UTF-8", SAVE_UTF8
        )
    _, bad_line, bad_byte = _walk(path, "cp1252", where)
    if bad_byte is not None:
        raise UnreadableError(
            f"{where}: line {bad_line} holds the byte 0x{bad_byte:02x}, no letter in UTF-8 or Windows-1252",
            SAVE_UTF8,
        )
    message = f"{finding}, so the text is read as Windows-1252; if letters look wrong, save it as UTF-8"
    return Charset("cp1252", notes=(Note(message, rows=(f"line {line}",)),))


def _walk(path: Path, codec: str, where: str) -> tuple[bool, int, int | None]:
    """Return whether a text is plain, and the line and the value of the first byte that can't be
    decoded, if any. NUL is an error, as no text contains it."""
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    start = True
    plain = True
    size = path.stat().st_size
    with path.open("rb") as raw:
        while True:
            chunk = raw.read(CHUNK)
            if raw.tell() > size:  # it might never end
                raise UnreadableError(
                    f"{where} is being written to", "Wait until it is complete."
                )
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(codec)
                return False, line + _line_ends(before), error.object[error.start]
            if "\x00" in text:
                nul_line = line + _line_ends(text[: text.index("\x00")])
                raise UnreadableError(
                    f"{where}: line {nul_line} holds a NUL byte, so it is not text",
                    NOT_TEXT,
                )
            if not chunk:
                return plain, line, None
            plain = (
                plain and "\r" not in text and not (start and text.startswith("\ufeff"))
            )
            line = line + _line_ends(text)
            start = False


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")
