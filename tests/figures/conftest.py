"""Synthetic learning curves with rising scores and falling losses, and comparisons written by
hand."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.single_runs import Curves, summarize_curves
from seedbed.figures.curves import learning_curves as draw
from seedbed.figures.drawing import save_chart

from ..report.conftest import document, network


def _candidate(
    name: str = "relu:5",
    *,
    n_epochs: int = 60,
    n_networks: int = 12,
    n_diverged: int = 0,
) -> dict[str, Any]:
    rng = np.random.default_rng(len(name))
    learned = 1 - np.exp(
        -np.arange(n_epochs)[:, None] / rng.uniform(10, 20, n_networks)
    )
    curves = dict(
        train_loss=0.7 - 0.30 * learned,
        test_loss=0.7 - 0.25 * learned,
        train_score=0.55 + 0.35 * learned,
        test_score=0.55 + 0.30 * learned,
    )
    noisy = {
        key: (curve + rng.normal(0, 0.01, curve.shape)).astype(np.float32)
        for key, curve in curves.items()
    }
    noisy["train_loss"][-1, :n_diverged] = np.nan
    return msgspec.to_builtins(summarize_curves(name, noisy))


def learning_curves(document: dict[str, Any], **words: Any) -> Any:
    """The chart of the plain dict of a summary."""
    return draw(
        msgspec.convert(json.loads(json.dumps(document["curves"])), Curves), **words
    )


def _compared(*names: str, metric: str = "brier") -> dict[str, Any]:
    """The parts of a comparison beside its curves; the last candidate is the best one."""
    lottery = dict(
        score=_runs("accuracy", *names),
        difference=_runs(metric, *names[1:], better=0.25),
    )
    models = [network(name, calibration=_calibration()) for name in names]
    labels = {"no": 200, "yes": 100}
    return document(
        *models,
        metric=metric,
        ranking=[*reversed(names)],
        target="y",
        labels=labels,
        lottery=lottery,
    )


def _runs(metric: str, *names: str, better: float | None = None) -> dict[str, Any]:
    """Four runs of each candidate: one below 0, two at 0 and one above if `better` is a quarter."""
    share = {} if better is None else {"better": better}
    low = 0.5 if better is None else -0.1
    one = {
        "n": 4,
        "mean": low + 0.1,
        "lowest": low,
        "highest": low + 0.2,
        **share,
        "quantiles": [low, low + 0.05, low + 0.1, low + 0.15, low + 0.2],
    }
    words = METRICS[metric].words
    return dict(
        name=metric, words=words, runs=[{"name": name, **one} for name in names]
    )


def _calibration() -> dict[str, Any]:
    return dict(
        miscalibration=0.01,
        discrimination=0.1,
        uncertainty=0.2,
        ece=0.123,
        ece_if_calibrated=0.051,
        ece_if_calibrated_high=0.08,
        counts=[3, 0, 5, *[0] * 17],
        curve=dict(
            forecast=[0.02, 0.12, 0.14], observed=[0.0, 0.1, 0.3], rows=[3, 4, 1]
        ),
        band={"forecast": [0.02, 0.14], "low": [0.0, 0.05], "high": [0.1, 0.4]},
    )


@pytest.fixture
def compared() -> Callable[..., dict[str, Any]]:
    """A function that makes a summary of a comparison, the reference first."""
    return _compared


@pytest.fixture
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """A function that returns the records that a chart draws, of one panel or of all."""

    def rows(chart: Any, panel: str | None = None) -> list[dict[str, Any]]:
        records = chart["datasets"]["rows"]
        return [
            record for record in records if panel is None or record["panel"] == panel
        ]

    return rows


@pytest.fixture
def texts(tmp_path: Path) -> Callable[..., str]:
    """A function that returns all texts of a drawn chart."""

    def drawn(chart: Any, **hidden: Any) -> str:
        if hidden:
            chart["params"][0]["value"] = hidden["hidden"]
        svg = save_chart(chart, tmp_path / "chart.svg").read_text(encoding="utf-8")
        # Each line of a text has its own tag.
        found = [
            " | ".join(re.findall(r">([^<]+)<", text))
            for text in re.findall(r"<text.*?</text>", svg, re.DOTALL)
        ]
        return html.unescape(" | ".join(found))

    return drawn


@pytest.fixture
def candidate() -> Callable[..., dict[str, Any]]:
    """A function that makes one candidate of a summary."""
    return _candidate


@pytest.fixture
def summary() -> Callable[..., dict[str, Any]]:
    """Makes a summary of the candidates given."""

    def make(
        *candidates: dict[str, Any], score_name: str = "accuracy"
    ) -> dict[str, Any]:
        curves = dict(
            score_name=score_name,
            title="A table",
            subtitle="how",
            candidates=list(candidates),
        )
        return {"curves": curves}

    return make
