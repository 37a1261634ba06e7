"""Text that isn't UTF-8 is read by what its bytes say, and the user is told."""

import codecs

import pytest

from seedbed.data.sources.opening import open_source
from seedbed.errors import UnreadableError

TEXT = "name,y\nJosé,0\nZoë “Z”,1\n"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_without_a_word(write, codec):
    with open_source(write(TEXT.encode(codec))) as source:
        assert (source.columns.names, source.columns.cells(0)) == (("name", "y"), ["José", "Zoë “Z”"])
        assert source.columns.notes == ()


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf16_is_told_by_its_first_bytes(write, mark):
    codec = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    with open_source(write(mark + TEXT.replace("\n", "\r\n").encode(codec))) as source:
        assert source.columns.cells(0) == ["José", "Zoë “Z”"]
        assert [note.message for note in source.columns.notes] == ["the text is UTF-16, as its first two bytes say"]
        assert source.columns.places([1]) == {1: "line 3"}


def test_what_is_no_utf8_is_windows_1252_and_the_first_line_is_named(write):
    with open_source(write(TEXT.encode("cp1252"))) as source:
        (note,) = source.columns.notes
        assert source.columns.cells(0) == ["José", "Zoë “Z”"]
    assert "line 2 holds a byte that isn't UTF-8 (0xe9), so the text is read as Windows-1252" in note.message
    assert note.rows == ("line 2",)


BAD = {
    "NUL": (b"a,y\n1,0\n2\x00,1\n", "line 3 holds a NUL byte"),
    "NUL in UTF-16": ("a,y\n1,0\n\x00,1\n".encode("utf-16"), "line 3 holds a NUL byte"),
    "UTF-16 without a mark": ("a,y\n1,0\n".encode("utf-16-le"), "line 1 holds a NUL byte"),
    "UTF-32": ("a,y\n1,0\n".encode("utf-32"), "line 1 holds a NUL byte"),
    "odd UTF-16": ("a,y\n1,0\n".encode("utf-16") + b"x", "line 3 holds bytes that aren't UTF-16"),
    "half a pair": (codecs.BOM_UTF16_LE + b"a\x00\x00\xd8,\x00", "line 1 holds bytes that aren't UTF-16"),
    "no letter": (b"a,y\n1,0\n2,\x81\n", "line 3 holds the byte 0x81, no letter in UTF-8 or Windows-1252"),
    "damaged UTF-8": ("a,y\né,0\n".encode() + b"\xc3,1\n", "line 3 holds a byte that isn't UTF-8 (0xc3), though"),
    "damaged after a mark": (b"\xef\xbb\xbfa,y\n1,0\n\xe9,1\n", "line 3 holds a byte that isn't UTF-8 (0xe9), though"),
    "letters below the damage": (b"a,y\n\xe9,1\n" + "é,ü".encode(), "line 2 holds a byte that isn't UTF-8 (0xe9)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bytes_that_are_no_text_are_refused_with_their_line(write, case):
    content, words = BAD[case]
    with pytest.raises(UnreadableError) as caught, open_source(write(content)):
        pass
    assert words in caught.value.message


def test_a_letter_may_lie_across_two_blocks(write):
    text = "a,y\n" + "1,0\n" * 262_142 + "abcü,1\n"  # the letter's two bytes lie on both sides of the first MiB
    assert text.encode()[(1 << 20)] == 0xBC
    with open_source(write(text)) as source:
        assert source.columns.cells(0)[-1] == "abcü"
        assert source.columns.notes == ()
