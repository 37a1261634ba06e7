"""Settings: one definition for Python, the command line, candidates, estimators and documents."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import seedbed as sb
from seedbed.data.table_options import ReadingOptions
from seedbed.errors import OptionError
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.networks.candidate import parse_candidate
from seedbed.settings.fields import merge_settings, parse_setting, settings_of

ROOT = Path(__file__).resolve().parent.parent
KINDS = (sb.Recipe, sb.Design, sb.Compute)
WORDS = [name for name, about in settings_of(sb.Recipe).items() if about.word]
BOUNDED = [
    (kind, name, bound)
    for kind in KINDS
    for name in settings_of(kind)
    for bound in ("at_least", "above", "below", "at_most")
    if getattr(settings_of(kind)[name], bound) is not None
]


@pytest.mark.parametrize("kind", [*KINDS, JudgeOptions, ReadingOptions])
def test_every_setting_has_help_in_sentences(kind):
    assert [
        name
        for name, about in settings_of(kind).items()
        if not re.fullmatch(r"[A-Z].*\.", about.help)
    ] == []


@pytest.mark.parametrize(("kind", "name", "bound"), BOUNDED)
def test_a_number_out_of_bounds_is_refused_with_its_name(kind, name, bound):
    number = getattr(settings_of(kind)[name], bound)
    outside = dict(at_least=number - 1, above=number, below=number, at_most=number + 1)[
        bound
    ]
    with pytest.raises(OptionError, match=rf"^{name} is "):
        kind(
            **{
                name: int(outside)
                if int in settings_of(kind)[name].kinds
                else float(outside)
            }
        )


@pytest.mark.parametrize("name", WORDS)
def test_every_recipe_setting_works_in_a_candidate_and_is_documented(name):
    about = settings_of(sb.Recipe)[name]
    text = (
        about.choices[-1]
        if about.choices
        else "true"
        if bool in about.kinds
        else "1"
        if int in about.kinds
        else "0.5"
    )
    assert parse_candidate(f"relu:5@{name}={text}").overrides == (
        (name, parse_setting(sb.Recipe, name, text)),
    )
    if about.none:
        assert parse_candidate(f"relu:5@{name}={about.none}").overrides == (
            (name, about.none_is),
        )
    assert f"`{name}" in (ROOT / "docs" / "candidates.md").read_text()


def test_given_settings_replace_those_of_a_recipe_except_none():
    assert merge_settings(sb.Recipe(lr=0.5), lr=None, epochs=3) == sb.Recipe(
        lr=0.5, epochs=3
    )
    assert sb.Recipe.tutorial(epochs=3) == dataclasses.replace(
        sb.Recipe.tutorial(), epochs=3
    )


@pytest.mark.parametrize("kind", [sb.SeedbedClassifier, sb.SeedbedRegressor])
def test_the_estimators_have_every_setting_of_a_recipe_with_its_type_and_default(kind):
    parameters = inspect.signature(kind).parameters
    hints = get_type_hints(kind)
    known = get_type_hints(sb.Recipe)
    for field in dataclasses.fields(sb.Recipe):
        if field.name == "loss":
            assert field.name not in parameters
            continue
        kinds = {*settings_of(sb.Recipe)[field.name].kinds}
        assert kinds <= {*get_args(hints[field.name]), hints[field.name]}
        assert hints[field.name] == known[field.name]
        assert parameters[field.name].default == getattr(sb.Recipe(), field.name)
