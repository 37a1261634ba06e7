"""The server's page in a browser: a form of the model's columns that shows a probability."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seedbed.data.reading import read_table
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.serve.server import Address, serving
from seedbed.settings.design import Compute
from seedbed.settings.recipe import recipe_named

TOKEN = "correct-horse-battery"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def model() -> Model:
    """A model with all kinds of columns; a level and a column look like HTML."""
    rng = np.random.default_rng(3)
    size = rng.normal(170, 10, 200)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 700, 200), unit="D"
    )
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": np.where(
                rng.random(200) < 0.15, np.nan, size - 100 + rng.normal(0, 8, 200)
            ),
            "smokes": np.where(rng.random(200) < 0.3, "yes", "no"),
            "day": day.strftime("%Y-%m-%d"),
            "<b>town</b>": rng.choice(["Bonn", HOSTILE, "Oslo"], 200),
            "name": [f"n{number}" for number in rng.integers(0, 100, 200)],
            "outcome": np.where(size + rng.normal(0, 8, 200) > 170, "ill", "well"),
        }
    )
    recipe = recipe_named("default", lr=0.02, epochs=60)
    table = read_table(frame, target="outcome", categorical=["name"])
    own = dict(name="brier", words="Brier score", mean=0.1234, low=0.1, high=0.15)
    score = dict(of="a comparison of mine", alpha=0.05, scores=[own], chosen=None)
    options = dict(compute=Compute(n_jobs=1), score=score)
    return fit_model(table, "relu:5", recipe=recipe, n_networks=5, **options)


@pytest.fixture(scope="module")
def address(model: Model) -> Iterator[str]:
    with serving(model, Address(port=0)) as found:
        yield found


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens a served page.

    At the end, a foreign request, an error or an unexpected console message fails the test.
    """
    heard: list[str] = []
    expected: list[str] = []
    contexts = []

    def go(
        address: str,
        *,
        width: int = 1200,
        height: int = 900,
        expect: str = "",
        **options: Any,
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, **options
        )
        contexts.append(context)
        expected.extend([expect] if expect else [])
        page = context.new_page()
        ours = (f"{address}/", "data:,")
        page.on(
            "request",
            lambda one: (
                one.url.startswith(ours) or heard.append(f"request: {one.url[:100]}")
            ),
        )
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.goto(address)
        page.wait_for_selector("body:not([data-ready=no])")
        return page

    yield go
    for context in contexts:
        context.close()
    assert [one for one in heard if not any(words in one for words in expected)] == []


def predict(page: Any) -> str:
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("#said :is(.big, .problem)")
    return page.inner_text("#said")


def test_the_form_starts_with_typical_values(visit, address, model):
    page = visit(address)
    usual = {column["name"]: column for column in model.card()["columns"]}
    assert float(page.get_by_label("size").input_value()) == pytest.approx(
        usual["size"]["median"], rel=1e-5
    )
    row = {
        "size": 150,
        "weight": None,
        "smokes": "yes",
        "day": "2024-05-31",
        "<b>town</b>": "Oslo",
        "name": "n3",
    }
    page.get_by_label("size").fill("150")
    page.get_by_label("weight").fill("")
    page.get_by_label("smokes").select_option("yes")
    page.get_by_label("day").fill("2024-05-31")
    page.get_by_label("<b>town</b>").select_option("Oslo")
    page.get_by_label("name").fill("n3")
    said = predict(page)
    reported = model.predict_proba(row)[0]
    assert all(f"{100 * p:.1f}%" in said for p in reported)
    low, high = 100 * model.predict_range(row)[0]
    assert f"would say {low:.1f}% to {high:.1f}% for" in said
    assert page.inner_text(".big") == str(model.predict(row)[0])
    widths = page.eval_on_selector_all(
        ".bar div", "bars => bars.map(bar => parseFloat(bar.style.width))"
    )
    assert widths == pytest.approx(100 * reported, abs=0.06)


@pytest.mark.slow
def test_the_page_shows_how_prediction_changes_with_one_column(visit, address, model):
    page = visit(address)
    assert not page.is_visible("#what-if")
    row = {
        "size": 150,
        "weight": None,
        "smokes": "yes",
        "day": "2024-05-31",
        "<b>town</b>": "Oslo",
        "name": "n3",
    }
    for name, cell in row.items():
        field = page.get_by_label(name, exact=True)
        field.select_option(cell) if name in ("smokes", "<b>town</b>") else field.fill(
            str(cell or "")
        )
    predict(page)
    result = page.locator("#vary option").all_inner_texts()
    assert result == "size weight smokes day <b>town</b>".split()
    for column, cells in {"size": [150.0], "weight": [], "day": ["2024-05-31"]}.items():
        page.locator("#vary").select_option(column)
        page.wait_for_selector(f"#varied[data-column={column}]")
        card = next(each for each in model.card()["columns"] if each["name"] == column)
        low = card["mean"] - 2 * card["deviation"]
        cell = low if column != "day" else str(np.datetime64(int(low), "s"))[:10]
        p = model.predict_proba({**row, column: cell})[0, 1]
        assert f"From {100 * p:.1f}% (" in page.inner_text("#varied")
        points = page.get_attribute("#varied polyline", "points").split()
        assert len(points) == 21 + len(cells)
        assert float(points[0].split(",")[1]) == pytest.approx(150 * (1 - p), abs=0.02)
        own = [
            float(dot.get_attribute("cy"))
            for dot in page.query_selector_all("#varied circle")
        ]
        assert own == pytest.approx(
            [150 * (1 - model.predict_proba(row)[0, 1])] * len(cells), abs=0.02
        )
    page.locator("#vary").select_option("<b>town</b>")
    page.wait_for_selector("#varied li.chosen:has-text('Oslo')")
    each = [
        f"{100 * model.predict_proba({**row, '<b>town</b>': town})[0, 1]:.1f}%"
        for town in ("Bonn", HOSTILE)
    ]
    assert all(words in page.inner_text("#varied") for words in each)


@pytest.mark.slow
def test_anomalies_are_flagged_and_refusals_are_shown(visit, address):
    page = visit(address, expect="422")
    page.get_by_label("size").fill("900")
    page.get_by_label("smokes").select_option("")
    page.get_by_label("name").fill("stranger")
    said = predict(page)
    assert "size: farther out" in said
    assert "smokes: missing here" in said
    assert "name: a level that the training table didn't have" in said
    for field in page.query_selector_all("#fields input"):
        field.fill("")
    page.get_by_label("<b>town</b>").select_option("")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("text=hardly more than a guess")
    page.get_by_label("size").fill("1e300")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector(".problem:not(:empty)")
    assert "column 'size'" in page.inner_text("#said")
    page.get_by_role("button", name="Usual values").click()
    assert page.get_by_label("smokes").input_value() == "no"


@pytest.mark.slow
def test_text_of_the_model_is_escaped(visit, address):
    page = visit(address)
    page.get_by_label("<b>town</b>").select_option(HOSTILE)
    predict(page)
    assert page.query_selector_all("img, b") == []


@pytest.mark.slow
def test_warnings_stand_first_and_no_name_reverses_text_or_is_lost(visit):
    rows = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(
        {
            "__proto__": rows[:, 0],
            "a\u202eb": rows[:, 1],
            "y": rows.sum(axis=1).round(3),
        }
    )
    model = fit_model(
        read_table(frame, target="y"), "linear", n_networks=2, compute=Compute(n_jobs=1)
    )
    model = dataclasses.replace(
        model, warnings=("a\u202eb gives y away.", "There are few rows.")
    )
    with serving(model, Address(port=0)) as address:
        page = visit(address)
        assert page.inner_text("#model").startswith(
            "All this may be wrong. a\\u202eb gives y away."
        )
        page.get_by_label("__proto__").fill("0.5")
        page.get_by_label("a\\u202eb").fill("9")
        said = predict(page)
        expected = model.predict({"__proto__": 0.5, "a\u202eb": 9})[0]
        assert float(page.inner_text(".big")) == pytest.approx(expected, rel=1e-3)
        assert "a\\u202eb: farther out" in said
        assert not set("\u202a\u202e") & set(page.inner_text("body"))
        page.wait_for_selector("#varied[data-column=__proto__] polyline")


@pytest.mark.slow
def test_survival_is_shown_until_each_time(visit):
    rng = np.random.default_rng(1)
    days = rng.exponential(50, 120).round() + 1
    frame = pd.DataFrame(
        {"dose": rng.normal(size=120), "days": days, "died": (days < 80).astype(int)}
    )
    model = fit_model(
        read_table(frame, event="died", time="days"), "relu:5", n_networks=2
    )
    with serving(model, Address(port=0)) as address:
        page = visit(address)
        page.get_by_label("dose").fill("1")
        said = predict(page)
        page.wait_for_selector("#varied polyline")
        varied = page.inner_text("#varied")
    assert "Median days until died" in said
    survival = model.predict_survival({"dose": 1})[0]
    assert all(f"{100 * p:.1f}%" in said for p in survival)
    assert "Probability of no died until" in varied


@pytest.mark.slow
def test_the_page_can_only_connect_to_its_server(visit, address):
    page = visit(address, expect="Content Security Policy")
    assert (
        page.evaluate(
            "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)"
        )
        == "TypeError"
    )
    assert (
        page.evaluate(
            "document.body.setAttribute('onclick', 'window.clicked = 1') || document.body.click()"
        )
        is None
    )
    assert page.evaluate("window.clicked") is None


@pytest.mark.slow
def test_the_page_asks_for_a_token_and_does_not_store_it(visit, model):
    with serving(model, Address(port=0, token=TOKEN)) as guarded:
        page = visit(guarded, expect="401")
        assert page.is_visible("#entry")
        assert not page.is_visible("#model")
        page.get_by_label("Token").fill("a-wrong-token-of-mine")
        page.get_by_role("button", name="Open").click()
        page.wait_for_selector("#entry-problem:not(:empty)")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Open").click()
        page.wait_for_selector("#model:visible")
        assert "%" in predict(page)
        assert (
            page.evaluate(
                "Object.keys(localStorage).length + Object.keys(sessionStorage).length"
            )
            == 0
        )
        assert page.context.cookies() == []
        page.reload()
        assert page.is_visible("#entry")


@pytest.mark.slow
def test_nothing_is_wider_than_the_screen_of_a_phone(visit, address):
    page = visit(address, width=390, height=800)
    predict(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        page.evaluate(
            "document.querySelector('#size, #column-0').getBoundingClientRect().height"
        )
        >= 40
    )


@pytest.mark.slow
def test_every_field_has_a_label_and_works_with_the_keyboard(visit, address):
    page = visit(address)
    unnamed = "all => all.filter(one => !one.labels || one.labels.length !== 1).length"
    assert page.eval_on_selector_all("#fields :is(input, select)", unnamed) == 0
    page.get_by_label("size").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#said .big")
    assert page.get_attribute("#result", "aria-live") == "polite"
