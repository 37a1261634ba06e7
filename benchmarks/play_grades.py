"""How often is a verdict of the playground right? Its own page trains on cuts of real tables; the
rest is the truth.

    python benchmarks/play_grades.py FILE.csv [CUTS]    adds to the file what is missing there, and prints the counts"""

from __future__ import annotations

import base64
import csv
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright
from tables import stem, tables

import seedbed as sb
from seedbed.evaluation.estimates import wilson
from seedbed.figures.pictures import csv_library
from seedbed.play.document import table_document
from seedbed.play.page import STATIC, bundled

SOURCES = (
    "adult",
    "bank_churn",
    "bank_marketing",
    "electricity",
    "kc1",
    "phoneme",
    "segment",
    "spambase",
    "telco_churn",
)
NUMBERS = ("wine_quality",)  # whose last column is predicted as a number
SIZES, SPLITS, SEEDS, TRUTH = (300, 100), 20, 3, 2000
SGD, ADAMW = (
    {"optimizer": "sgd", "lr": 0.01, "weightDecay": 0},
    {"optimizer": "adamw", "lr": 0.01, "weightDecay": 0.01},
)
NETWORKS = {
    "linear:5": (["linear", 5], {**SGD, "epochs": 1000}),
    "linear:20,20": (["linear", 20, 20], {**SGD, "epochs": 1000}),
    "relu:5": (["relu", 5], {**SGD, "epochs": 1000}),
    "relu:5, AdamW": (["relu", 5], {**ADAMW, "epochs": 100}),
    "tanh:20,20, AdamW": (["tanh", 20, 20], {**ADAMW, "epochs": 100}),
}
TRAIN = """async (text) => {
  const { document, whole, requests, splits, seeds } = JSON.parse(text);
  const train = (table, request) => new Promise((done) => {
    engine.train(table, request, (run) => run.status === "running" || done(run));
  });
  const [cut, all] = [document, whole].map(decodeTable), runs = [], scores = [];
  const of = (n, m) => Array.from({ length: n * m }, (_, i) => ({ split: Math.floor(i / m), seed: i % m }));
  for (const request of requests) {
    runs.push(await train(cut, { ...request, networks: of(splits, seeds) }));
    const run = await train(all, { ...request, networks: of(1, 8) }), last = run.epochs.length - 1;
    const score = (i) => run.curves.testScore[i * run.epochs.length + last];
    scores.push(run.request.networks.reduce((sum, _, i) => sum + score(i) / 8, 0));
  }
  const pairs = runs.flatMap((_, i) => runs.slice(i + 1).map((_, j) => [i, i + 1 + j]));
  return pairs.map(([i, j]) => ({ ...judge(runs[i], runs[j]), truth: scores[j] - scores[i] }));
}"""


def requests() -> list[dict[str, Any]]:
    return [
        recipe
        | {"hidden": [{"units": units, "activation": activation} for units in layers]}
        for (activation, *layers), recipe in NETWORKS.values()
    ]


def documents(name: str, n: int, cut: int) -> dict[str, Any]:
    """Return a cut of a table as the page takes it, and the same rows with up to 2,000 others,
    which are tested."""
    frame = pd.read_csv(next(path for path in tables() if stem(path) == name))
    target, task = frame.columns[-1], "regression" if name in NUMBERS else None
    frame = (
        frame.drop_duplicates()
        .sample(frac=1, random_state=cut)
        .head(n + TRUTH)
        .reset_index(drop=True)
    )
    part, whole = (
        table_document(sb.read_table(rows, target=target, task=task))
        for rows in (frame.head(n), frame)
    )
    tested = np.arange(len(whole["y"])) >= n
    whole["splits"] = {
        "tested": base64.b64encode(np.packbits(tested).tobytes()).decode(),
        "sizes": [int(tested.sum())],
    }
    return {"document": part, "whole": whole}


def collect(path: Path, cuts: int) -> None:
    done = set()
    if path.exists():
        done = {
            (row["table"], row["rows"], row["cut"])
            for row in csv.DictReader(path.open())
        }
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
        path.open("a") as file,
    ):
        page = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        ).new_page()
        kernel = base64.b64encode((STATIC / "kernel.wasm").read_bytes()).decode()
        html = Path(folder) / "page.html"
        html.write_text(
            f'<meta charset="utf-8"><script type="text/plain" id="play-kernel">{kernel}</script>'
            f'<script type="text/plain" id="play-worker">{csv_library()}{bundled(["worker.js"])}</script><script type='
            f'"module">{csv_library()}{bundled(["engine.js", "table.js", "verdict.js"])}'
            "Object.assign(window, { engine: await createEngine({ workers: 1 }), decodeTable, judge });</script>"
        )
        page.goto(html.as_uri())
        page.wait_for_function("Boolean(window.judge)")
        if not done:
            file.write(
                "table,rows,cut,reference,network,verdict,words,difference,low,high,truth\n"
            )
        for cut, n, name in (
            (cut, n, name)
            for cut in range(cuts)
            for n in SIZES
            for name in (*SOURCES, *NUMBERS)
        ):
            if (name, str(n), str(cut)) in done:
                continue
            try:
                given = documents(name, n, cut) | {
                    "requests": requests(),
                    "splits": SPLITS,
                    "seeds": SEEDS,
                }
            except sb.SeedbedError as error:
                print(name, n, cut, error, file=sys.stderr)
                continue
            found = page.evaluate(TRAIN, json.dumps(given))
            for pair, one in zip(
                itertools.combinations(NETWORKS, 2), found, strict=True
            ):
                numbers = [
                    f"{one[key]:.5f}"
                    for key in ("difference", "low", "high", "truth")
                    if one[key] is not None
                ]
                csv.writer(file).writerow(
                    [name, n, cut, *pair, one["verdict"], one["words"], *numbers]
                )
            file.flush()


def counts(path: Path) -> Iterator[str]:
    """Yield a line for each size and verdict: pairs, and how many of them were truly better or
    worse as observed."""
    frame = pd.read_csv(path).dropna()
    frame["right"] = np.sign(frame["difference"]) == np.sign(frame["truth"])
    frame["grade"] = (
        frame["verdict"]
        .str.replace(r"_?(better|worse)$", "", regex=True)
        .replace("", "strict")
    )
    for (n, grade), pairs in frame.groupby(["rows", "grade"]):
        low, high = wilson(int(pairs["right"].sum()), len(pairs))
        yield f"{n} rows, {grade}: {len(pairs)} pairs, {pairs['right'].mean():.0%} right ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    collect(file, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print("\n".join(counts(file)))
