"""A model from a table: learning rate and epochs settled, then networks fitted to all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seedbed.arguments import checked, shown
from seedbed.data import Preprocessor, Table, encode, read_table
from seedbed.errors import OptionError
from seedbed.fitting import Running, Settled, choose_settings, fit_networks, with_settings
from seedbed.model.blending import blend_table
from seedbed.model.layout import MOST_NETWORKS
from seedbed.model.making import facts_of, make_model
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, settings_of
from seedbed.model.predicting import check_threshold
from seedbed.model.row_weights import row_weights
from seedbed.networks import candidate_from
from seedbed.settings import RECIPES, Engine, Recipe
from seedbed.training import (
    Board,
    Chunk,
    derive,
    pick_workers,
    told_of,
)

__all__ = ["N_NETWORKS", "fit_model"]

N_NETWORKS = 10
"""Of a candidate, where nobody says how many."""


@checked()
def fit_model(
    table: Any,
    candidate: Any = "relu:5",
    *,
    target: str | int | None = None,
    recipe: Recipe = RECIPES["trained"],
    n_networks: int | None = None,
    sample_weight: Any = None,
    settled: Settled | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    engine: Engine = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    watch: Callable[[str, Sequence[Chunk]], Board] | None = None,
) -> Model:
    """Fit networks of one candidate, one a seed, to all rows of a table: a model that averages their predictions.

    Args:
        table: from `read_table`; or what that takes, with the `target`.
        candidate: its words, or what builds a network; "auto" is a blend of several, see `blend_table`.
        recipe: what its words don't say. Learning rate and epochs that it leaves open are chosen by inner splits.
        n_networks: how many are fitted; 10 if left out, of a blend what suits the rows.
        sample_weight: what each row counts [row]; from 0 up.
        settled: learning rate and epochs, where a comparison has chosen them.
        score: what the model may be expected to do, and whose score that is.
        threshold: of two labels, above which probability the positive one is predicted.
        random_state: all randomness is derived from it.
        engine, device, jobs, cluster: as `train_many` has them.
        watch: is told of the stages, see `Running`.

    Raises:
        SeedbedError: the candidate can't be trained on this table, or an option is out of range.
    """
    table = _table(table, target)
    _check(table, n_networks, threshold)
    if isinstance(candidate, str) and candidate == AUTO:
        return blend_table(table, n_networks=n_networks, settings=settings_of(recipe), sample_weight=sample_weight,
                           score=score, threshold=threshold, random_state=random_state, engine=engine,
                           device=device, jobs=jobs, cluster=cluster, watch=watch)[0]  # fmt: skip
    n_networks = N_NETWORKS if n_networks is None else n_networks
    weights = row_weights(table, sample_weight)
    found, encoding = told_of(candidate_from(candidate), table), encode(table)
    running = Running(engine, *pick_workers(jobs, device, cluster), watch)
    own = found.recipe(recipe.in_batches() if encoding.is_large else recipe)
    settled = settled or choose_settings(found, table, encoding, own, n_inner=n_networks,
                                         random_state=random_state, weights=weights, running=running)  # fmt: skip
    own = with_settings(own, settled)
    seeds = [derive(random_state, found.name, "model", number) for number in range(n_networks)]
    states, n_diverged = fit_networks(found, table, encoding, own, seeds=seeds, weights=weights, running=running)
    training = facts_of(table, own, settled, len(seeds) - n_diverged, n_diverged, random_state)
    return make_model(table, found.name, found.architecture, states, Preprocessor.fit(table), training=training,
                      score=score, threshold=threshold)  # fmt: skip


def _table(table: Any, target: str | int | None) -> Table:
    if not isinstance(table, Table):
        return read_table(table, target=target)
    if target is not None:
        raise OptionError("a target was given with a table that is read already", "Give it to read_table.")
    return table


def _check(table: Table, n_networks: int | None, threshold: float) -> None:
    if n_networks is not None and not 1 <= n_networks <= MOST_NETWORKS:
        raise OptionError(f"n_networks is {shown(n_networks)}", f"A model has 1 to {MOST_NETWORKS:,} networks.")
    check_threshold(table.task, None if threshold == 0.5 else threshold)
