"""The verb `judge`: text, JSON, files, exit status and imports."""

import os
import subprocess
import sys

import pytest

from seedbed.cli.program import main


def status(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["judge", *map(str, arguments)])
    return int(stopped.value.code)


def test_a_file_of_scores_gets_its_verdict_in_one_command(scores, csv, capsys):
    assert status(csv(scores(repeats=5, folds=10, gain=0.03))) == 0
    text = capsys.readouterr().out
    assert "Use       new. It is shown to be better than old.\n" in text
    assert max(map(len, text.splitlines())) <= 100
    assert status(csv(scores(repeats=5, folds=10, gain=0.03)), "--details") == 0
    found = capsys.readouterr().out
    assert found.startswith(text.rstrip())
    assert "p, adjusted" in found[len(text) :]


@pytest.mark.parametrize(
    ("gain", "option", "expected"),
    [
        (0.03, "--fail-unless-better", 0),
        (0.0, "--fail-unless-better", 1),
        (-0.03, "--fail-unless-better", 1),
        (-0.03, "--fail-if-worse", 1),
        (0.0, "--fail-if-worse", 0),
    ],
)
def test_the_exit_status_says_whether_a_candidate_is_better_or_worse(
    scores, csv, gain, option, expected
):
    assert (
        status(csv(scores(repeats=5, folds=10, gain=gain)), option, "new") == expected
    )


@pytest.mark.parametrize(
    ("gain", "option", "expected"),
    [(0.012, "--fail-unless-better", 1), (-0.01, "--fail-if-worse", 0)],
)
def test_what_is_only_likely_fails_or_passes_no_check(
    scores, csv, capsys, gain, option, expected
):
    assert (
        status(csv(scores(repeats=5, folds=10, gain=gain)), option, "new") == expected
    )
    assert f"likely {'better' if gain > 0 else 'worse'}" in capsys.readouterr().out


def test_seeds_on_one_split_fail_a_check_for_better(scores, csv):
    path = csv(scores(folds=1, seeds=20, gain=0.1))
    assert status(path, "--fail-unless-better", "new") == 1
    assert status(path, "--fail-if-worse", "new") == 0


def test_bad_input_is_one_line_and_status_2(scores, csv, capsys):
    path = csv(scores())
    assert status(path, "--fail-unless-better", "nwe") == 2
    assert status(path, "--fail-if-worse", "old") == 2
    assert status(path, "-o", "verdicts.tex") == 2
    assert status(path, "--query", "SELECT 1") == 2
    assert status("nowhere.csv") == 2
    said, errors = capsys.readouterr()
    lines = errors.splitlines()
    assert said == ""  # no verdict before the name is checked
    assert lines[0] == "seedbed: there is no candidate 'nwe'. Did you mean 'new'?"
    assert lines[2].endswith("for LaTeX, pandas writes judgement.to_frame() in Python.")
    assert lines[3] == "seedbed: Unknown option: --query. See seedbed judge --help."
    assert len(lines) == 5


def test_report_and_document_are_written(scores, csv, tmp_path, capsys):
    path = csv(scores(folds=5))
    for name, part in (("r.html", '<dl class="answers">'), ("d.json", '"judgement"')):
        assert status(path, "-o", tmp_path / name) == 0
        assert part in (tmp_path / name).read_text(encoding="utf-8")
    assert "<Text>" not in capsys.readouterr().err


@pytest.mark.slow
def test_judging_imports_neither_torch_nor_altair(scores, csv):
    code = (
        "import sys\nfrom seedbed.cli.program import main\n"
        f"try: main(['judge', {csv(scores())!r}])\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'altair', 'sklearn', 'vl_convert') if name in sys.modules])"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)
    }
    options = dict(text=True, check=True, env=environment)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, **options)
    assert done.stdout.splitlines()[-1] == "[]"
