"""Fixtures for the tests of seedbed.data."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address, without a database name, of a PostgreSQL server that runs as long as the
    tests."""
    programs = _postgres_programs()
    # Not in pytest's folder, which only the superuser may enter. The path of a socket must be
    # short.
    with tempfile.TemporaryDirectory(prefix="seedbed-pg-") as folder:
        # The server refuses to run as the superuser.
        other = (
            {"user": "postgres", "group": "postgres", "extra_groups": []}
            if os.geteuid() == 0
            else {}
        )
        if other:
            shutil.chown(folder, "postgres", "postgres")
        data, secret, port = f"{folder}/data", Path(folder, "password"), _free_port()
        secret.write_text("s3cret/word")
        secret.chmod(0o644)
        init = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "gardener",
            f"--pwfile={secret}",
            "-A",
            "scram-sha-256",
        ]
        subprocess.run(
            [*init, "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **other,
        )
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w", "-t", "60"]
        started = [*control, "-l", f"{folder}/log", "-o", settings, "start"]
        subprocess.run(started, check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PGPASSWORD", "s3cret/word")
                yield f"postgresql://gardener@127.0.0.1:{port}"
        finally:
            stopped = [*control, "-m", "immediate", "stop"]
            subprocess.run(stopped, check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)


def _postgres_programs() -> Path:
    """The newest server among Debian's packages. Without one, skip the test, or fail in CI."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    message = "PostgreSQL isn't installed: apt-get install postgresql"
    if os.environ.get("SEEDBED_REQUIRE_POSTGRES", "0") not in {"", "0"}:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
