"""The scenes of the lesson in a browser: by address, by keyboard, on tables that they can't take, and
with the numbers of the exercises."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from seedbed.play.page import playground

pytestmark = pytest.mark.slow
NAMES = ("folds", "patients", "rare")
Scenes = Callable[..., Any]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return playground(None, tmp_path_factory.mktemp("scenes") / "play.html")


@pytest.fixture
def scenes(open_page: Callable[..., Any], empty: Path) -> Scenes:
    """Opens the playground with quick networks of its own."""

    def go(
        path: Path = empty,
        link: str = "#network=relu:3&seeds=2&splits=2&epochs=50",
        **options: Any,
    ) -> Any:
        page = open_page(path, link=link, **options)
        page.wait_for_selector("body[data-state=done]", timeout=60_000)
        return page

    return go


def wait(page: Any, name: str) -> None:
    page.wait_for_selector(f"#{name}-scene[data-state=done]", timeout=60_000)


def run(page: Any, name: str, act: Callable[[], Any] | None = None) -> str:
    """Start a scene by its button, or otherwise, and return what it says."""
    page.locator(f"#{name}-scene").evaluate("scene => delete scene.dataset.state")
    (act or page.locator(f"#{name}-scene .main").click)()
    wait(page, name)
    return page.locator(f"#{name}-scene [role=status]").inner_text()


def cells(page: Any, name: str) -> list[list[str]]:
    rows = page.locator(f"#{name}-scene tbody tr").all()
    return [[*row.locator("th, td").all_inner_texts()] for row in rows]


def load(page: Any, text: str) -> None:
    """Choose a CSV file, whose last column is the target."""
    given = {"name": "own.csv", "mimeType": "text/plain", "buffer": text.encode()}
    page.set_input_files("#file", given)
    page.get_by_role("button", name="Train on it").click()
    expect(page.locator("#about")).to_contain_text("own", timeout=30_000)
    page.wait_for_selector("body[data-state=done]", timeout=60_000)


def csv(rows: int, rare: int, patient: Callable[[int], Any]) -> str:
    lines = [
        f"{row * 37 % 101},{row * 53 % 89},{patient(row)},{int(row < rare)}"
        for row in range(rows)
    ]
    return "\n".join(["a,b,patient,sick", *lines])


@pytest.mark.parametrize("link", ["#rare", "#table=moons&scene=rare&epochs=50"])
def test_an_address_opens_a_scene_and_starts_it(scenes, link):
    page = scenes(link=link)
    wait(page, "rare")
    assert page.locator("#rare").bounding_box()["y"] < 900
    assert "finds no one" in page.locator("#rare-scene [role=status]").inner_text()


def test_a_link_in_the_page_starts_a_scene_once(scenes):
    page = scenes()
    page.get_by_role("link", name="Patients").click()
    wait(page, "patients")
    assert len(cells(page, "patients")) == 1


@pytest.mark.parametrize(
    "options", [{"width": 360, "color_scheme": "dark"}, {"width": 1280}]
)
def test_every_scene_fits_and_has_a_picture_in_words(scenes, options):
    page = scenes(**options)
    for name in NAMES:
        run(page, name)
        figure = page.locator(f"#{name}-scene figure")
        assert len(figure.get_attribute("aria-label")) > 40
        for part in page.locator(f"#{name}-scene > *:visible").all():
            assert part.evaluate("one => one.scrollWidth - one.clientWidth") <= 1
        inked = figure.locator("canvas").evaluate(
            "one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((value) => value)"
        )
        assert inked
    assert page.evaluate("document.documentElement.scrollWidth") <= options["width"]


def test_the_scenes_are_used_by_keyboard_alone(scenes):
    page = scenes(reduced_motion="reduce")
    for name in NAMES:
        page.locator(f"#{name}-scene .main").focus()
        run(page, name, lambda: page.keyboard.press("Enter"))
    page.get_by_role("radio", name="random rows").focus()
    said = run(page, "patients", lambda: page.keyboard.press("ArrowRight"))
    assert said.startswith("Whole patients promise")
    before = cells(page, "rare")
    page.locator("#rare-threshold").focus()
    page.keyboard.press("Home")
    assert page.locator("#rare-threshold").get_attribute("aria-valuetext") == "1\u202f%"
    assert cells(page, "rare")[1][2] > before[1][2]


def test_other_folds_give_another_gain_and_all_stay_in_sight(scenes):
    page = scenes(reduced_motion="reduce")
    first = run(page, "folds")
    second = run(page, "folds")
    assert "With 2 choices of folds" in second
    assert first != second
    assert [row[0] for row in cells(page, "folds")] == ["choice 1", "choice 2"]
    page.get_by_role("button", name="linear:5 One").click()
    page.wait_for_selector("body[data-state=done]")
    run(page, "folds")
    assert len(cells(page, "folds")) == 1


def test_a_student_has_folds_and_networks_of_their_own(scenes):
    page = scenes(reduced_motion="reduce")
    seen = []
    for student in ("", "Ada", "Bob", "ada"):
        page.fill("#student", student)
        run(page, "folds")
        seen.append(cells(page, "folds")[0][1])
        page.get_by_role("button", name="moons").click()  # forgets the rounds
        page.wait_for_selector("body[data-state=done]")
    assert seen[1] == seen[3]
    assert len(set(seen)) == 3


def test_a_column_of_the_reader_names_the_patient(scenes):
    page = scenes()
    load(page, csv(300, 150, lambda row: f"p{row // 3}"))
    page.get_by_label("Table and column of the patient").select_option(
        label="own: by patient"
    )
    wait(page, "patients")
    run(page, "patients", page.get_by_role("radio", name="whole patients").check)
    figure = page.locator("#patients-scene figure")
    assert figure.get_attribute("aria-label").startswith("Of 60 patients, 0 have rows")
    assert [row[0] for row in cells(page, "patients")] == [
        "random rows",
        "whole patients",
    ]


@pytest.mark.parametrize(
    ("patient", "message"),
    [
        (lambda row: row * 7, "no two rows are alike in it"),
        (lambda row: "ab"[row % 2], "it has 2 values, and five parts need"),
    ],
)
def test_a_column_that_cannot_name_patients_is_refused(scenes, patient, message):
    page = scenes()
    load(page, csv(60, 30, patient))
    choose = page.get_by_label("Table and column of the patient")
    said = run(page, "patients", lambda: choose.select_option(label="own: by patient"))
    assert message in said
    assert page.locator("#patients-scene figure").is_hidden()


def test_a_class_of_three_rows_and_a_target_of_numbers(scenes):
    page = scenes()
    load(page, csv(200, 3, lambda row: row % 9))
    choose = page.get_by_label("Table with a rare class")
    said = run(page, "rare", lambda: choose.select_option("own"))
    assert "of the 3 rows of class 1" in said
    assert said.endswith("3 rows of this class can\u2019t show much.")
    numbers = "\n".join(f"{row % 17},{row % 5},{row / 7:.3f}" for row in range(90))
    load(page, f"a,b,sick\n{numbers}")
    said = run(page, "rare", lambda: choose.select_option("own"))
    assert said == "sick is a number. This scene needs a table with classes."
    assert "points" in run(page, "folds")


def test_the_numbers_of_the_exercises_are_those_of_the_scenes(scenes, real_table, here):
    table = real_table("heart_failure.csv")
    path = playground(table, here / "play.html", target="DEATH_EVENT")
    page = scenes(path, link="#folds")
    wait(page, "folds")
    for _ in range(3):
        run(page, "folds")
    gains = [row[1] for row in cells(page, "folds")]
    seen = [gains[0].split(" points")[0]]
    seen += re.findall(r"gain was (\S+) to (\S+) points", run_said(page, "folds"))[0]
    seen += [gains[3].split()[1] + " points"]
    label = page.locator("#folds-scene figure").get_attribute("aria-label")
    results = sorted(
        map(float, re.findall(r"[\d.]+(?=\u202f%)", label.split("logistic")[0]))
    )
    seen += [
        f"{results[0]} %",
        f"{results[-1]} %",
        f"{results[-1] - results[0]:.1f} points",
    ]
    run(page, "patients")
    run(page, "patients", page.get_by_role("radio", name="whole patients").check)
    seen += [cell for row in cells(page, "patients") for cell in row[1:]]
    run(page, "rare")
    right, found, _, score, benefit = cells(page, "rare")
    seen += [right[3], f"{found[3]} of 40", f"{score[3]} of 100", benefit[3]]
    page.locator("#rare-threshold").fill("3")
    right, found, alarms, _, benefit = cells(page, "rare")
    seen += [right[2], f"{found[2]} of 40", f"{alarms[2]} false alarms", benefit[2]]
    exercises = (Path(__file__).parents[2] / "docs" / "exercises.md").read_text("utf-8")
    answers = exercises.split("## Answers")[1].replace("\n", " ")
    assert [one for one in seen if one.replace("\u202f", " ") not in answers] == []
    assert all("can't tell" in row[2] for row in cells(page, "folds"))


def run_said(page: Any, name: str) -> str:
    return page.locator(f"#{name}-scene [role=status]").inner_text()
