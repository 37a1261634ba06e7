"""Summaries and reports as files: reading, refused files, and atomic writing."""

import json
import stat

import pytest

from seedbed.errors import OptionError, UnreadableError
from seedbed.evaluation.summaries import summary_from
from seedbed.report.stored import read_summary, write_report


@pytest.fixture
def summary(make, make_curves):
    """A summary of one network and the prior, with curves."""
    found = make.document(make.network("relu:5"), make.baseline("prior"))
    return found | dict(
        curves=make_curves("relu:5"),
        specification=dict(
            versions={"seedbed": "1"}, random_state=0, table={"sha256": "ab12"}
        ),
    )


def written(folder, document, name="comparison.json"):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / name).write_bytes(content)
    return folder


def test_a_summary_is_read_from_its_folder_or_file(tmp_path, summary):
    written(tmp_path, summary)
    assert (
        read_summary(tmp_path)
        == read_summary(tmp_path / "comparison.json")
        == summary_from(summary)
    )


def test_a_summary_of_the_version_before_is_read_with_the_rules_of_today(
    tmp_path, summary, make
):
    verdict = make.verdict("prior", -0.03, 0.03, reference="relu:5")
    now = summary | {"verdicts": [verdict]}
    before = now | {"schema_version": 7, "rivals": [], "effects": {"curves": []}}
    before["verdicts"] = [verdict | {"rule": "no_better"}]
    assert read_summary(written(tmp_path, before)) == summary_from(now)


@pytest.mark.parametrize("place", ["", "nowhere", "file.txt/deeper"])
def test_a_missing_run_is_refused_with_advice(tmp_path, place):
    with pytest.raises(OptionError, match="seedbed compare has written"):
        read_summary(tmp_path / place)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "isn't JSON"),
        (b"\xff\xfe\x00", "isn't JSON"),
        (b"[1]", "isn't the summary"),
        ({"kind": "comparison"}, "isn't the summary"),
        (
            {"kind": "comparison", "schema_version": 3},
            r"written by an older seedbed\. Run the same command again",
        ),
        (
            {"kind": "comparison", "schema_version": 99},
            r"written by a newer seedbed\. Run the same",
        ),
        (
            {"kind": "comparison", "schema_version": 8, "notes": []},
            "lacks curves, lottery, seconds",
        ),
    ],
)
def test_files_that_are_not_summaries_are_refused(tmp_path, document, message):
    with pytest.raises(UnreadableError, match=message):
        read_summary(written(tmp_path, document))


def test_a_report_is_written_atomically_and_readable_by_others(tmp_path, summary):
    path = write_report(summary_from(summary), tmp_path / "report.html")
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_report_keeps_the_old_one(tmp_path, summary, monkeypatch):
    (tmp_path / "report.html").write_text("old")
    monkeypatch.setattr(
        "seedbed.report.html_page.report_page", lambda summary: "\ud800"
    )
    with pytest.raises(UnicodeEncodeError):
        write_report(summary_from(summary), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"


def test_an_unfinished_run_has_a_specific_error(tmp_path):
    (tmp_path / "experiment.json").write_text("{}")
    message = r"isn't finished\. Run the same command again\."
    with pytest.raises(OptionError, match=message):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    "name", ["table.csv", "comparison.json", "heart.pdf", "report"]
)
def test_a_report_never_overwrites_a_file_of_another_kind(tmp_path, summary, name):
    (tmp_path / name).write_text("mine")
    message = r"it is HTML\. Name a file that ends in \.html"
    with pytest.raises(OptionError, match=message):
        write_report(summary_from(summary), tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("place", ["folder.html", "missing/report.html"])
def test_a_report_needs_an_existing_folder(tmp_path, summary, place):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OptionError, match="can't write the report"):
        write_report(summary_from(summary), tmp_path / place)
