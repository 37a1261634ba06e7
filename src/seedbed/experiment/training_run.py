"""`train`: one candidate on one split, with one seed or many, as in the tutorial."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.arguments import spelled
from seedbed.data.preprocessing import Preprocessor, target_moments
from seedbed.data.reading import read_table
from seedbed.data.sources.loaded import open_duckdb
from seedbed.data.splits import holdout, time_holdout
from seedbed.data.table import Table
from seedbed.errors import OptionError, writing
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.single_runs import lottery
from seedbed.evaluation.summaries import (
    Lotteries,
    SplitSizes,
    TrainedNetworks,
    TrainingSummary,
    document_of,
)
from seedbed.experiment.specification_file import hash_of, table_specification
from seedbed.experiment.summary import json_text, table_of
from seedbed.files import DIGESTS, altered_files, write_digests, write_whole
from seedbed.networks.candidate import candidate_from
from seedbed.report.stored import write_report
from seedbed.settings.design import Compute
from seedbed.settings.fields import settings_of
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import with_inputs_of
from seedbed.training.environment import versions
from seedbed.training.many import History, train_many


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """One candidate trained on one split.

    Attributes:
        history: curves and networks, one for each seed.
        conclusion: everything but the networks as plain values, from which pictures and pages are
            drawn; docs/summary.md explains them.
    """

    history: History
    conclusion: TrainingSummary

    def save(self, folder: str | Path, *, pictures: str | None = None) -> list[Path]:
        """Write into a folder, and return the paths: `training.json` (the summary), `report.html`,
        `history.csv` (a row for each seed and epoch), `sha256sums.txt` (the digests of the others),
        and `pictures` if a format is given: `png`, `svg` or `pdf`."""
        folder = Path(folder)
        with writing(folder, "Name another folder, or free disk space."):
            folder.mkdir(parents=True, exist_ok=True)
            document, rows = folder / "training.json", folder / "history.csv"
            text = json_text(document_of(self.conclusion))
            # Until the new ones are there, the run isn't finished. An earlier one may have
            # pictures.
            for old in (
                document,
                folder / DIGESTS,
                *map(folder.joinpath, altered_files(folder) or ()),
            ):
                old.unlink(missing_ok=True)
            written = [write_report(self.conclusion, folder / "report.html"), rows]
            if pictures is not None:
                from seedbed.figures.pictures import save_pictures  # loads what draws

                written += save_pictures(self.conclusion, folder, pictures)
            write_whole(rows, lambda path: _write_history(self.history, path))
            # With the summary, the run counts as finished.
            digests = write_digests(written, document, text)
            return [document, *written, digests]


def train(
    table: Any,
    *,
    candidate: Any = "relu:5",
    seeds: Sequence[int] = (42,),
    test_size: float = 0.2,
    random_state: int = 0,
    recipe: Recipe | None = None,
    compute: Compute = Compute(),
    command: str = "",
) -> TrainingRun:
    """Train a candidate on one split of a table, one network for each seed.

    The split is that of scikit-learn's `train_test_split(rows, test_size=..., random_state=...,
    stratify=target)`; rows with times are split by time. Features are standardised by the mean and
    the population deviation of the training rows, as float32, and each network is built under
    `torch.manual_seed(seed)`: plain PyTorch gives the same figures.
    """
    table = table if isinstance(table, Table) else read_table(table)
    table.outcome.refuse("training on one split", "Add -o for a model, or compare models.")
    parsed = candidate_from(candidate)
    settings = parsed.recipe(recipe or Recipe.tutorial()).for_rows(table.n_rows)
    if settings.leaves_out:
        raise OptionError(
            "patience needs rows that are left out, and a single split has none",
            "Leave it out, or add -o for a model.",
        )
    if table.times is not None:
        split = time_holdout(table.times, test_size=test_size, groups=table.groups)
    else:
        split = holdout(
            table.target, test_size=test_size, random_state=random_state, groups=table.groups
        )
    settings = dataclasses.replace(settings, loss=table.outcome.loss)
    started = time.perf_counter()
    preprocessor = Preprocessor.fit(table, split.train)
    X, y = preprocessor.inputs_of_values(table.features), table.target
    if table.outcome.is_number:  # networks learn numbers that are standardised by the training rows
        mean, deviation = target_moments(table.target[split.train])
        y = ((table.target - mean) / deviation).astype(np.float32)
    history = train_many(
        dataclasses.replace(
            with_inputs_of(parsed, preprocessor.layout), overrides=()
        ),  # the recipe has them
        X[split.train],
        y[split.train],
        X[split.test],
        y[split.test],
        seeds=tuple(seeds),
        task=table.task,
        **{
            name: getattr(settings, name)
            for name, about in settings_of(Recipe).items()
            if not about.choosing
        },
        **dataclasses.asdict(compute),
    )
    seconds = round(time.perf_counter() - started, 2)
    sizes = SplitSizes(
        n_train=len(split.train), n_test=len(split.test), by_time=table.times is not None
    )
    decided = {
        "table": table_specification(table, X.shape[1]),
        "candidate": {
            "name": parsed.name,
            "architecture": spelled(parsed.architecture),
            **vars(settings),
        },
        "split": dataclasses.asdict(sizes) | {"sha256": hash_of(split.train, split.test)},
        "random_state": random_state,
        "versions": versions(),
    }
    networks = TrainedNetworks(
        name=parsed.name,
        kind="network",
        description=history.recipe.describe(),
        n_parameters=history.n_parameters,
        n_networks=len(history),
        n_diverged=int(history.diverged.sum()),
        epochs=history.recipe.n_epochs,
        note=history.note,
    )
    metric, step = (
        (METRICS["r2"], 0.0) if table.outcome.is_number else (METRICS["accuracy"], 1 / sizes.n_test)
    )
    scores = {
        parsed.name: history.test_score[-1, ~history.diverged]
    }  # on the test rows, after the last epoch
    conclusion = TrainingSummary(
        kind="training",
        **table_of(table),
        split=sizes,
        seeds=tuple(history.seeds),
        candidates=(networks,),
        lottery=Lotteries(score=lottery(scores, name=metric.name, words=metric.words, step=step)),
        curves=history.curves(
            title=f"{parsed.name} on {table.target_name} of {table.name}", name=parsed.name
        ),
        command=command,
        specification=json.loads(json.dumps(decided)),
        seconds=seconds,
    )
    return TrainingRun(history, conclusion)


def _write_history(history: History, path: Path) -> None:
    n_epochs, n_networks = history.train_loss.shape
    score = history.score_name.lower()
    columns = {
        "seed": np.repeat(np.asarray(history.seeds), n_epochs),
        "epoch": np.tile(np.arange(n_epochs), n_networks),
        "train_loss": history.train_loss.T.ravel(),
        f"train_{score}": history.train_score.T.ravel(),
        "test_loss": history.test_loss.T.ravel(),
        f"test_{score}": history.test_score.T.ravel(),
    }
    with open_duckdb() as (connection, _):
        connection.register("history", columns)
        connection.table("history").write_csv(str(path))
