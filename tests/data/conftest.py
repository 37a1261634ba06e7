"""Fixtures for the tests of seedbed.data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.data.sources.opening import read_source
from seedbed.data.table_options import SourceOptions
from seedbed.errors import SeedbedError


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes bytes or text to a file of this test."""

    def to_file(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


@pytest.fixture
def refusal() -> Callable[..., SeedbedError]:
    """A function that returns the error, of one line, with which a source is refused."""

    def refused(source: object, **options: str) -> SeedbedError:
        with pytest.raises(SeedbedError) as caught:
            read_source(source, SourceOptions(**options))
        assert "\n" not in str(caught.value)
        return caught.value

    return refused
