"""The report in a browser: read, clicked and printed."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seedbed as sb
from seedbed.evaluation.summaries import summary_from

QUICK: dict[str, Any] = {"compute": sb.Compute(n_jobs=1), "epochs": 60}


def design(**words: Any) -> sb.Design:
    """Few splits and networks, and a baseline that is fitted in no time."""
    return sb.Design(
        **{"repeats": 2, "folds": 3, "n_networks": 2, "baselines": ["prior"], **words}
    )


LINES = "[data-chart=curves] g.concat_0_group path[aria-roledescription='line mark']"
PANELS = ", ".join(
    f"[data-chart=curves] g.concat_{number}_group > g > path.background"
    for number in (0, 1)
)


@pytest.fixture(scope="session")
def summary() -> Any:
    """A summary of three networks and two baselines on two moons."""
    document = sb.compare(
        "example:moons",
        candidates=["linear:3", "relu:8", "tanh:8"],
        recipe="tutorial",
        lr=0.5,
        design=design(baselines=["prior", "logistic"]),
        **QUICK,
    ).summary()
    return document | {"command": "seedbed compare example:moons"}


@pytest.fixture(scope="session")
def written(report: Callable[[Any], Path], summary: Any) -> Path:
    """Its report."""
    return report(summary)


@pytest.fixture
def page(open_page: Callable[..., Any], written: Path) -> Any:
    """The report with everything unfolded."""
    return unfolded(open_page(written))


def unfolded(page: Any) -> Any:
    page.evaluate(
        "for (const one of document.querySelectorAll('details.fold')) one.open = true"
    )
    return page


KINDS, MORE_KINDS = (("classes", "few", "diverged"), ("numbers", "alone", "one_epoch"))


def summary_of(kind: str, folder: Path) -> Any:
    """The summary of one kind of target or run."""
    few, numbers = folder / "few.csv", folder / "numbers.csv"
    few.write_text("x,y\n" + "".join(f"{i * 7 % 13},{i % 2}\n" for i in range(24)))
    numbers.write_text(
        "x,z,y\n"
        + "".join(
            f"{i * 7 % 13},{i % 5},{i * 7 % 13 * 1.5 + i % 3}\n" for i in range(90)
        )
    )
    two = ["linear:3", "relu:4"]
    wild = {"wild": "linear:3,3@lr=1e30,optimizer=sgd", "tame": "linear:3"}
    makes: dict[str, Callable[[], Any]] = dict(
        classes=lambda: sb.compare(
            "example:iris", candidates=two, design=design(), **QUICK
        ),
        numbers=lambda: sb.compare(
            numbers, target="y", candidates=two, design=design(), **QUICK
        ),
        few=lambda: sb.compare(
            few, target="y", candidates=two, design=design(repeats=1), **QUICK
        ),
        alone=lambda: sb.compare(
            "example:moons", candidates="relu:4", design=design(baselines=[]), **QUICK
        ),
        one_epoch=lambda: sb.compare(
            "example:moons",
            candidates=two,
            recipe="tutorial",
            design=design(),
            **QUICK | {"epochs": 1},
        ),
        diverged=lambda: sb.compare(
            "example:moons", candidates=wild, design=design(reference="tame"), **QUICK
        ),
    )
    return makes[kind]().summary()


def read_out(page: Any) -> dict[str, list[str]]:
    """The table under the cursor: from a name to its cells."""
    rows = [
        row.split("\t")
        for row in page.locator("#readout tbody").inner_text().splitlines()
    ]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in rows}


def boxes(page: Any) -> list[Any]:
    """The positions of the two panels on the screen."""
    return [panel.bounding_box() for panel in page.locator(PANELS).all()]


def colour(page: Any, selector: str, name: str) -> str:
    found: str = page.locator(selector).first.evaluate(
        f"one => getComputedStyle(one).{name}"
    )
    return found


def test_the_first_screen_shows_the_advised_model_and_its_expected_score(page: Any):
    answer = page.locator("#answer")
    box = answer.bounding_box()
    assert box["y"] + box["height"] < 900
    assert answer.locator("h1").inner_text().startswith("Use ")
    assert {"Expect", "More rows"} <= set(answer.locator("dt").all_inner_texts())
    assert (
        "shown to be better than" in answer.locator(".news.good").inner_text().lower()
    )
    assert "robability" not in answer.inner_text()
    # three lines
    assert all(p.bounding_box()["height"] < 85 for p in answer.locator("p").all())


def test_the_bar_shows_the_expected_score_and_its_range(page, summary):
    conclusion = summary_from(summary)
    expected = conclusion.expected_score(conclusion.advice.use, "accuracy")
    guess = conclusion.score("prior", "accuracy").mean
    numbers = [
        100 * share for share in (expected.mean, expected.low, expected.high, guess)
    ]
    bar = page.locator(".outlook")
    shown = [
        *re.findall(
            r": (\d+)%(?: \((\d+) to (\d+)\))?", bar.get_attribute("aria-label")
        )
    ]
    assert [*shown[0], shown[1][0]] == [f"{number:.0f}" for number in numbers]
    track, *parts = (
        bar.locator(name).bounding_box()
        for name in (".track", ".mean", ".range", ".guess")
    )
    mean, around, same = (
        (one["x"] - track["x"], one["x"] + one["width"] - track["x"]) for one in parts
    )
    drawn = [sum(mean) / 2, *around, same[1]]
    assert [100 * at / track["width"] for at in drawn] == pytest.approx(
        numbers, abs=0.5
    )


def test_a_button_copies_the_command_beside_it(page: Any, summary: Any):
    section = page.locator("#specification")
    section.get_by_role("button", name="Copy the command").click()
    page.wait_for_function(
        "document.querySelector('#specification .copy').textContent === 'Copied'"
    )
    assert page.evaluate("getSelection().toString()").strip() == summary["command"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_table_is_cut_off_and_all_texts_can_be_read(open_page, written, scheme):
    page = open_page(written, color_scheme=scheme, width=1440)
    # three screens
    assert page.evaluate("document.documentElement.scrollHeight") <= 2700
    unfolded(page)
    for width in (360, 500, 768, 1024, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT_OFF) == [], width
        assert page.evaluate(FAINT) == [], width


CUT_OFF = """() => [...document.querySelectorAll("main table")].filter((table) => {
  const inside = table.getBoundingClientRect(), around = table.parentElement.getBoundingClientRect();
  return inside.width && (inside.right > Math.min(around.right, innerWidth) + 1);
}).map((table) => table.textContent.slice(0, 80))"""

FAINT = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.e-]+/g).map(Number);
    return text.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const paper = (one) => {  // behind an element, through transparent ones
    const [below, own] = [one.parentElement ? paper(one.parentElement) : [255, 255, 255],
      parse(getComputedStyle(one).backgroundColor)];
    return below.map((value, place) => own[3] * own[place] + (1 - own[3]) * value);
  };
  const linear = (value) => ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const contrast = (one) => {
    const [high, low] = [parse(getComputedStyle(one).color), paper(one)].map(light).sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const isText = (node) => node.nodeType === 3 && node.textContent.trim();
  return [...document.querySelectorAll("body *")].filter((one) => one.offsetParent && !one.closest("svg")
    && [...one.childNodes].some(isText) && contrast(one) < 4.5).map((one) => `${one.className}: ${one.textContent}`);
}"""


@pytest.mark.slow
def test_the_forest_plot_is_drawn_at_the_numbers(page: Any, summary: Any):
    found = {
        one["candidate"]: one["difference"]
        for one in summary["verdicts"]
        if one["candidate"] != "prior"
    }
    rows = {
        row.locator("th b").inner_text(): row
        for row in page.locator(".glance tbody tr").all()
    }

    def middle(name: str, kind: str) -> float:
        box = rows[name].locator(f".{kind}").bounding_box()
        return float(box["x"] + box["width"] / 2)

    for name, difference in found.items():
        right = middle(name, "dot") - middle(name, "zero")
        assert abs(right) < 2 or (right > 0) == (difference > 0)
        line = rows[name].locator(".line").bounding_box()
        assert line["x"] <= middle(name, "dot") <= line["x"] + line["width"]


@pytest.mark.slow
def test_a_candidate_is_hidden_and_shown_in_all_charts(page: Any):
    assert page.locator(LINES).count() == 6
    page.get_by_label("relu:8", exact=True).uncheck()
    page.wait_for_function(f'document.querySelectorAll("{LINES}").length === 4')
    assert "relu:8" not in read_out(page)
    for name in ("lottery", "calibration"):
        assert page.evaluate(f"views.{name}.signal('hidden')") == ["relu:8"]
    page.locator("#all").click()
    page.wait_for_function(f'document.querySelectorAll("{LINES}").length === 6')
    assert "relu:8" in read_out(page)


@pytest.mark.slow
def test_the_values_under_the_cursor_equal_the_data(page: Any, summary: Any):
    page.locator("[data-chart=curves]").scroll_into_view_if_needed()
    first, second = boxes(page)
    for share in (0.0, 0.31, 1.0):
        page.mouse.move(first["x"] + share * first["width"], first["y"] + 50)
        epoch = round(share * 59)
        page.wait_for_function(
            f"document.getElementById('epoch').textContent === '{epoch}'"
        )
        found = read_out(page)
        for one in summary["curves"]["candidates"]:
            curves = one["curves"]
            test = curves["test_score"]
            expected = [
                curves["train_score"]["mean"],
                test["mean"],
                test["low"],
                test["high"],
            ]
            read = re.findall(r"[\d.]+", " ".join(found[one["name"]][:2]))
            percents = [100 * curve[epoch] for curve in expected]
            assert [float(number) for number in read] == pytest.approx(
                percents, abs=0.0501
            )
            shown = float(found[one["name"]][3].split()[0])
            assert shown == pytest.approx(curves["test_loss"]["mean"][epoch], rel=1e-3)
        rules = page.locator(
            "[data-chart=curves] :is(g.concat_0_layer_2_marks, g.concat_1_layer_2_marks) line"
        ).all()
        at = [
            rule.bounding_box()["x"] - box["x"]
            for rule, box in zip(rules, boxes(page), strict=True)
        ]
        assert (
            at[0]
            == pytest.approx(at[1], abs=1)
            == pytest.approx(epoch / 59 * second["width"], abs=2)
        )


@pytest.mark.slow
def test_the_cursor_moves_by_keyboard(page: Any):
    page.locator("#at").focus()
    before = read_out(page)
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#epoch").inner_text() == "39"
    assert read_out(page) != before
    page.get_by_label("tanh:8", exact=True).focus()
    page.keyboard.press("Space")
    page.wait_for_function(f'document.querySelectorAll("{LINES}").length === 4')


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_colour_scheme(open_page, written, scheme):
    page = unfolded(open_page(written, color_scheme=scheme))
    label = "[data-chart=curves] .role-axis-label text"

    def seen() -> tuple[str, str]:
        return colour(page, "body", "backgroundColor"), colour(page, label, "fill")

    light = ("rgb(255, 255, 255)", "rgb(85, 85, 85)")
    dark = ("rgb(20, 23, 26)", "rgb(169, 175, 181)")
    assert seen() == (light if scheme == "light" else dark)
    page.locator("#theme").click()
    assert seen() == (dark if scheme == "light" else light)
    page.emulate_media(media="print")
    assert seen() == light
    assert not page.locator(".shown").is_visible()
    # at the end of its line
    assert "relu:8" in page.locator("[data-chart=curves] svg").text_content()


@pytest.mark.slow
def test_every_chart_has_a_table_of_its_numbers_which_is_printed(page: Any):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for place in page.locator("details.numbers").all():
        assert place.get_attribute("open") is not None
        assert place.locator("tbody tr").count() >= 2
    assert page.locator("details.numbers").count() == 2  # single runs, calibration
    assert page.locator("#readout tbody tr").count() == 3


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "kind",
    [*KINDS, *(pytest.param(kind, marks=pytest.mark.slow) for kind in MORE_KINDS)],
)
def test_each_kind_of_run_has_a_page_that_works(open_page, report, tmp_path, kind):
    page = unfolded(open_page(report(summary_of(kind, tmp_path)), width=375))
    assert page.locator("[data-chart=curves] svg").count() == 1
    assert len(page.locator("h1").inner_text()) > 5
    for width in (375, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        # charts are drawn again
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#readout tbody tr").count() >= 1


@pytest.mark.slow
def test_names_are_escaped(open_page, report, summary):
    name = "<img src=x onerror=alert(1)>'\"].</script>{{7*7}}"
    text = re.sub(r'"relu:8"', lambda _: json.dumps(name), json.dumps(summary))
    page = unfolded(open_page(report(json.loads(text))))
    assert page.locator("main img").count() == 0
    assert name in page.locator("#verdicts").inner_text()
    page.get_by_label(name, exact=True).uncheck()
    page.wait_for_function(f'document.querySelectorAll("{LINES}").length === 4')
    assert name not in read_out(page)


@pytest.mark.slow
def test_the_largest_page_is_small_and_responsive(open_page, report):
    names = [
        f"{activation}:{width}"
        for activation in ("linear", "relu", "tanh", "elu", "gelu")
        for width in (2, 5)
    ]
    found = sb.compare(
        "example:moons",
        candidates=names,
        recipe="tutorial",
        epochs=1000,
        design=design(baselines=[], repeats=4, folds=4, n_networks=3),
    )
    path = report(found.summary())
    assert path.stat().st_size < 2_000_000
    page = unfolded(open_page(path))
    session = page.context.new_cdp_session(page)
    # other programs may hold the machine
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def toggled() -> float:
        page.evaluate(TOGGLE)
        return {
            one["name"]: one["value"]
            for one in session.send("Performance.getMetrics")["metrics"]
        }["TaskDuration"]

    seconds = [toggled() for _ in range(7)]
    assert (
        sorted(after - before for before, after in itertools.pairwise(seconds))[2] < 0.5
    )
    session.detach()


TOGGLE = """async () => {
  document.querySelectorAll(".shown input")[3].click();
  await Promise.all(Object.values(views).map((view) => view.runAsync()));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


@pytest.mark.slow
def test_columns_and_models_named_as_properties_of_javascript_are_drawn(
    open_page, report, tmp_path
):
    rows = [
        f"{i * 7 % 13},{('toString', '__proto__')[i % 2]},{int(i * 7 % 13 > 5)}"
        for i in range(90)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["__proto__,constructor,y", *rows]))
    named = {"__proto__": "relu:3", "valueOf": "linear:2"}
    found = sb.compare(
        tmp_path / "t.csv", target="y", candidates=named, design=design(), **QUICK
    )
    # a message on the console would fail it
    page = unfolded(open_page(report(found.summary())))
    lines = "[data-chart=curves] svg path[aria-roledescription='line mark']"
    assert page.locator(lines).count() > 0
