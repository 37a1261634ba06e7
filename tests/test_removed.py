"""What left is refused with a sentence on what to do instead."""

import pytest

import seedbed as sb
from seedbed.cli.program import main
from seedbed.removed import removed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare example:moons --trust", f"there is no option --trust. {removed('trust')}"),
        ("compare example:moons --jobs 2", f"there is no option --jobs. {removed('jobs')}"),
        ("report run --by x1", f"there is no option --by. {removed('by', 'report')}"),
        ("compare example:moons --interval pairs", f"there is no option --interval. {removed('interval')}"),
        ("compare example:moons --schedule steps", "--schedule can't be 'steps'. Do that."),
        ("gone x", "there is no verb 'gone'. Do that."),
    ],
)
def test_the_command_line_says_what_to_do_instead(command, message, monkeypatch, capsys):
    for key in ("gone", "schedule=steps"):
        monkeypatch.setitem(removed.__globals__["_REMOVED"], key, "Do that.")
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert (stopped.value.code, capsys.readouterr().err) == (2, f"seedbed: {message}\n")


def test_python_says_what_to_do_instead(monkeypatch):
    monkeypatch.setitem(removed.__globals__["_REMOVED"], "schedule=steps", "Do that.")
    with pytest.raises(sb.OptionError, match=r"train_many has no argument trust\. Leave it out"):
        sb.train_many("relu:2", trust=True)
    with pytest.raises(sb.OptionError, match=r"Compute has no argument jobs\. Give n_jobs"):
        sb.Compute(jobs=2)
    with pytest.raises(sb.OptionError, match=r"Design has no argument interval\. Leave it out"):
        sb.Design(interval="pairs")
    with pytest.raises(sb.OptionError, match=r"unknown schedule 'steps'\. Do that"):
        sb.Recipe(schedule="steps")


@pytest.mark.parametrize(
    ("call", "name", "near"),
    [
        (sb.train_many, "seed", "seeds"),
        (sb.compare, "candidate", "candidates"),
        (sb.Recipe, "optimiser", "optimizer"),
        (sb.SeedbedClassifier, "epoches", "epochs"),
    ],
)
def test_an_unknown_argument_names_the_function_and_the_nearest_one(call, name, near):
    with pytest.raises(TypeError, match=rf"{call.__name__} has no argument {name}\. Did you mean '{near}'\?"):
        call(**{name: 3})
