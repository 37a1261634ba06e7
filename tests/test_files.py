"""Files are written atomically with the right permissions."""

import os
import stat

import pytest

from seedbed.errors import OptionError
from seedbed.experiment.run_folder import open_folder
from seedbed.files import remove_parts, write_whole

OTHER = 65_534  # any other user
ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)


@pytest.fixture
def umask():
    """Set the umask for this test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("bits", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, umask, bits):
    umask(bits)
    write_whole(tmp_path / "new", lambda path: path.write_text("a"))
    assert mode_of(tmp_path / "new") == 0o666 & ~bits


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_a_replaced_file_keeps_its_permissions(tmp_path, umask, mode):
    path, seen = tmp_path / "kept", []
    path.write_text("before")
    path.chmod(mode)

    def write(part):
        seen.append(mode_of(part) & ~mode)
        part.unlink()  # like a writer that creates
        part.write_text("after")

    write_whole(path, write)
    assert (path.read_text(), mode_of(path), seen) == ("after", mode, [0])


def test_a_link_is_replaced_and_its_target_is_not(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    os.link(tmp_path / "precious", tmp_path / "hard")
    for name in ("link", "hard"):
        write_whole(tmp_path / name, lambda path: path.write_text("new"))
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "precious").read_text() == "precious"
    result = sorted(path.name for path in tmp_path.iterdir())
    assert result == ["hard", "link", "precious"]


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    message = r"it is a device or a pipe, not a file: .*/pipe'"
    with pytest.raises(OSError, match=message):
        write_whole(tmp_path / "pipe", lambda path: path.write_text("new"))
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


def test_a_file_name_of_maximum_length_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)
    write_whole(path, lambda part: part.write_text("a"))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@ROOT
def test_only_our_own_partial_files_are_removed(tmp_path):
    for name in (".a.0.seedbed-part", ".theirs.0.seedbed-part", ".download.part"):
        (tmp_path / name).write_text("a")
    os.chown(tmp_path / ".theirs.0.seedbed-part", OTHER, OTHER)
    (tmp_path / ".link.0.seedbed-part").symlink_to(tmp_path / ".download.part")
    remove_parts(tmp_path)
    result = sorted(path.name for path in tmp_path.iterdir())
    assert result == [".download.part", ".theirs.0.seedbed-part"]


def test_a_new_part_of_a_named_file_stays_as_its_writer_may_still_run(tmp_path):
    old, new, other = (
        tmp_path / f".{name}.seedbed-part" for name in ("m[1].x.0", "m[1].x.1", "n.x.0")
    )
    for path in (old, new, other):
        path.write_text("a")
    for path in (old, other):
        os.utime(path, (0, 0))
    remove_parts(tmp_path, "m[1].x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [new.name, other.name]
    )


def test_a_run_folder_whose_lock_is_a_link_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run" / ".writer").symlink_to(tmp_path / "precious")
    message = r"can't write to .*/run: Too many levels of symbolic links"
    with pytest.raises(OptionError, match=message):
        open_folder(None, tmp_path / "run").__enter__()
    assert (tmp_path / "precious").read_text() == "precious"
