"""Charts saved to files."""

import re

import pytest
import vl_convert

from seedbed.errors import OptionError
from seedbed.figures import pictures
from seedbed.figures.drawing import save_chart
from seedbed.figures.grammar import VEGA_LITE
from seedbed.figures.theme import LIGHT, colours

from .conftest import learning_curves


@pytest.fixture
def chart(candidate, summary):
    return learning_curves(
        summary(candidate("linear:5", n_epochs=5), candidate("relu:5", n_epochs=5))
    )


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".png", b"\x89PNG\r\n"),
        (".svg", b"<svg"),
        (".pdf", b"%PDF"),
        (".PNG", b"\x89PNG"),
    ],
)
def test_the_suffix_decides_the_format_of_the_file(chart, tmp_path, suffix, start):
    path = save_chart(chart, tmp_path / f"curves{suffix}")
    assert path == tmp_path / f"curves{suffix}"
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_the_version_of_the_grammar_is_one_that_vl_convert_draws(chart):
    assert VEGA_LITE in vl_convert.get_vegalite_versions()
    assert chart["$schema"].startswith(
        f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}."
    )


@pytest.mark.slow
def test_the_page_requests_no_external_file(chart, tmp_path):
    page = save_chart(chart, tmp_path / "curves.html").read_text("utf-8")
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert "<script" in markup
    assert not re.search(r"\b(src|href)\s*=|@import|url\(", markup)
    assert "linear:5" in page


@pytest.mark.slow
def test_the_script_of_a_page_is_created_once_and_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "user_cache_dir", lambda name: tmp_path)
    made = pictures.browser_library.__wrapped__()
    (kept,) = tmp_path.glob("report/*.js")
    assert kept.read_text("utf-8") == made
    # creating it again fails
    monkeypatch.setattr(pictures.vl_convert, "javascript_bundle", None)
    assert pictures.browser_library.__wrapped__() == made


KNOWN = r"Known: \.png, \.svg, \.pdf, \.json, \.html"


@pytest.mark.parametrize(
    ("name", "message"),
    [("curves.gif", KNOWN), ("curves", KNOWN), ("nowhere/curves.json", "no folder")],
)
def test_an_unknown_suffix_and_a_missing_folder_are_refused(
    chart, tmp_path, name, message
):
    with pytest.raises(OptionError, match=message):
        save_chart(chart, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_first_three_colours_differ_for_colour_blind_readers():
    """Seen through the matrices of Machado, Oliveira and Fernandes (2009) for missing red and green
    cones."""
    kinds = dict(
        full=[[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        protan=[
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        deutan=[
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    )
    for matrix in kinds.values():
        seen = []
        for colour in colours(["best", "second", "third"], LIGHT, "best").values():
            linear = [
                (int(colour[start : start + 2], 16) / 255) ** 2.2 for start in (1, 3, 5)
            ]
            mixed = [
                sum(weight * part for weight, part in zip(row, linear, strict=True))
                for row in matrix
            ]
            seen.append([max(0.0, part) ** (1 / 2.2) for part in mixed])
        pairs = [(0, 1), (0, 2), (1, 2)]
        assert all(
            sum((a - b) ** 2 for a, b in zip(seen[i], seen[j], strict=True)) > 0.05
            for i, j in pairs
        )
