"""Fit a model to a table: networks of one candidate, or a blend of several candidates."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from seedbed.arguments import checked, shown
from seedbed.data import Preprocessor, Table, encode, read_table
from seedbed.errors import OptionError, TrainingError
from seedbed.evaluation import best_temperature, blend_weights, mean_loss, tempered
from seedbed.model.header import MOST_NETWORKS
from seedbed.model.members import (
    LIMIT,
    N_FOLDS,
    Bag,
    Fit,
    Member,
    MemberData,
    joined,
    splits_of_networks,
    target_scale,
    trained_members,
)
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, members_for, networks_for, recipe_for, settings_of
from seedbed.model.predicting import check_threshold
from seedbed.model.sets import calibrate
from seedbed.networks import MLP, Architecture, BlendedMembers, Trees, candidate_from
from seedbed.settings import N_NETWORKS, RECIPES, Compute, Recipe, place_of
from seedbed.training import Board, Chunk, derive, one_thread, versions, warn_of_shares, with_inputs_of
from seedbed.tuning import (
    Running,
    TunedSettings,
    choose_settings,
    fit_networks,
    outputs_left_out,
    with_settings,
)
from seedbed.typing import Floats

__all__ = ["OutOfBag", "blend_table", "blend_tables", "fit_model", "n_calibrating"]

_MOST_BAGS = 4  # of a blend with a time limit
_MANY_ROWS = 12_000  # of which a quarter is enough to know a model's errors


@checked(lambda name: place_of(name, Compute, Recipe))
def fit_model(
    table: Any,
    candidate: Any = "relu:5",
    *,
    target: str | int | None = None,
    recipe: Recipe = RECIPES["trained"],
    n_networks: int | None = None,
    sample_weight: Any = None,
    settled: TunedSettings | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    compute: Compute = Compute(),
    board_for: Callable[[str, Sequence[Chunk]], Board] | None = None,
) -> Model:
    """Fit networks of one candidate to all rows of a table. The model averages their predictions.

    Args:
        table: a table from `read_table`; or a source that `read_table` takes, together with `target`.
        candidate: its words, or a function that builds an `nn.Module`; "auto" is a blend of several, see `blend_table`.
        target: the column to predict, if the table isn't read yet.
        recipe: settings that the candidate's words don't contain. If it leaves learning rate or epochs open, they are
            chosen on inner splits.
        n_networks: number of networks, each with its own seed; by default 10, or for a blend as many as suit the rows.
        sample_weight: weight of each row [row]; 0 or more.
        settled: learning rate and epochs, if a comparison has chosen them.
        score: expected performance of the model, and what was scored.
        threshold: for two labels, the probability above which the positive one is predicted.
        random_state: all random numbers are derived from it.
        compute: what trains, and where, see `Compute`.
        board_for: gets the name of a stage and its chunks; returns the board on which the chunks write their epochs.

    Raises:
        SeedbedError: the candidate can't be trained on this table, or an option is out of range.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of returning logits.

    Examples:
        >>> sb.fit_model("example:iris", "relu:5", n_networks=2)
        <Model relu:5 of 2 networks, predicts species (multiclass)>
    """
    if not isinstance(table, Table):
        table = read_table(table, target=target)
    elif target is not None:
        raise OptionError("a target was given with a table that is read already", "Give it to read_table.")
    check_threshold(table.task, None if threshold == 0.5 else threshold)
    if isinstance(candidate, str) and candidate == AUTO:
        return blend_table(table, n_networks=n_networks, settings=settings_of(recipe), sample_weight=sample_weight,
                           score=score, threshold=threshold, random_state=random_state, compute=compute,
                           board_for=board_for)[0]  # fmt: skip
    n_networks = N_NETWORKS if n_networks is None else n_networks
    _check_number(n_networks)
    weights = _row_weights(table, sample_weight)
    parsed, encoding = with_inputs_of(candidate_from(candidate), table), encode(table)
    warn_of_shares(parsed, table)
    running = Running.on(compute, board_for)
    tuned = parsed.recipe(recipe.in_batches() if encoding.is_large else recipe)
    settled = settled or choose_settings(parsed, table, encoding, tuned, n_inner=n_networks,
                                         random_state=random_state, weights=weights, running=running)  # fmt: skip
    tuned = with_settings(tuned, settled)
    seeds = [derive(random_state, parsed.name, "model", number) for number in range(n_networks)]
    states, n_diverged = fit_networks(parsed, table, encoding, tuned, seeds=seeds, weights=weights, running=running)
    training = _facts(table, tuned, settled, len(seeds) - n_diverged, n_diverged, random_state)
    splits = splits_of_networks(table, max(n_networks, N_FOLDS), random_state)[: n_calibrating(table, n_networks)]
    seeds = [derive(random_state, parsed.name, "sets", number) for number in range(len(splits))]
    outputs = outputs_left_out(parsed, table, encoding, tuned, splits, seeds=seeds, weights=weights, running=running)
    left_out = _mean_left_out(_by_draw(outputs, table))
    return _model(
        table, parsed.name, parsed.architecture, states, Preprocessor.fit(table), training, score, threshold, left_out
    )


def n_calibrating(table: Table, n_networks: int | None = None) -> int:
    """Return how many networks of a candidate `fit_model` trains to know their errors on rows left out.

    Of many rows, some are enough.
    """
    return 2 if table.n_rows >= _MANY_ROWS else max(N_NETWORKS if n_networks is None else n_networks, N_FOLDS)


def _check_number(n_networks: int) -> None:
    if not 1 <= n_networks <= MOST_NETWORKS:
        raise OptionError(f"n_networks is {shown(n_networks)}", f"A model has 1 to {MOST_NETWORKS:,} networks.")


def _row_weights(table: Table, sample_weight: ArrayLike | None) -> NDArray[np.float32] | None:
    """Return the weights [row] as float32."""
    if sample_weight is None:
        return None
    try:
        with np.errstate(over="ignore"):  # infinite weights are refused below
            weights = np.asarray(sample_weight, dtype=np.float32)
    except (TypeError, ValueError):
        raise OptionError(f"sample_weight is {shown(sample_weight)}", "Give a number for each row.") from None
    if weights.shape != (table.n_rows,):
        raise OptionError(f"sample_weight has shape {list(weights.shape)}", f"It must be [{table.n_rows}].")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise OptionError("sample_weight is negative, all zero or not finite", "Give a weight of 0 or more per row.")
    return weights


def _facts(
    table: Table, recipe: Recipe, settled: TunedSettings, n_networks: int, n_diverged: int, random_state: int
) -> dict[str, Any]:
    """Return how a model was made, as plain values."""
    left_out = sum(note.count or 0 for note in table.notes if note.code == "SB205")
    identifiers = [note.column for note in table.notes if note.code == "SB101"]
    return {
        **({"n_left_out": left_out} if left_out else {}),
        **({"identifiers": identifiers} if identifiers else {}),
        "table": table.name,
        "n_rows": table.n_rows,
        "n_networks": n_networks,
        "n_diverged": n_diverged,
        "recipe": recipe.describe(),
        "lr": settled.lr,
        "epochs": settled.epochs,
        "chosen": settled.how,
        "random_state": random_state,
    }


def _model(
    table: Table,
    candidate: str,
    architecture: Architecture,
    states: Mapping[str, Tensor],
    preprocessor: Preprocessor,
    training: Mapping[str, Any],
    score: Mapping[str, Any] | None,
    threshold: float,
    left_out: Floats,
) -> Model:
    """Return the model of networks that were fitted to a table.

    Args:
        left_out: predictions by networks that weren't trained on the row: probabilities [row, class], or numbers [row].
    """
    mean, deviation = target_scale(table)
    return Model(
        candidate=candidate,
        architecture=architecture,
        states=states,
        preprocessor=preprocessor,
        target_name=table.target_name,
        task=table.task,
        labels=table.labels,
        threshold=threshold,
        target_mean=mean,
        target_deviation=deviation,
        training=training,
        score=score,
        calibration=calibrate(table, left_out),
        versions=versions(),
    )


@dataclass(frozen=True, eq=False)
class OutOfBag:
    """Predictions of a blend for the rows it was fitted to, each by the networks that weren't trained on the row.

    The same rows choose weights, temperature and epochs. So the loss is slightly too good, but these are few numbers
    for many rows.

    Attributes:
        values: probabilities [row, class], or numbers [row]; NaN for rows that were never left out.
        loss: mean log loss, or mean squared error; NaN if no row was left out.
        losses: the same of each member alone, by its words; members without weight in the blend are included.
        weights: the weight of each member in the blend, by its words, without members of weight 0.
    """

    values: Floats
    loss: float
    losses: Mapping[str, float]
    weights: Mapping[str, float]


def blend_table(table: Table, *, sample_weight: ArrayLike | None = None, **options: Any) -> tuple[Model, OutOfBag]:
    """Fit the members of a portfolio to all rows and blend them.

    A member is a stack of networks, each with its own inner split. The rows that the networks leave out decide after
    how many epochs each member stops, its weight in the blend, and the temperature of the blend.

    Args:
        sample_weight: weight of each row [row]; 0 or more.
        options: of `blend_tables`.

    Returns:
        The model, and its predictions for rows left out.

    Raises:
        SeedbedError: an option is out of range, or a member can't be trained on this table.
    """
    return blend_tables([table], sample_weights=[sample_weight], **options)[0]


@one_thread("cpu")
def blend_tables(
    tables: Sequence[Table],
    *,
    portfolio: Sequence[Any] | None = None,
    n_networks: int | None = None,
    settings: Mapping[str, Any] | None = None,
    sample_weights: Sequence[ArrayLike | None] | None = None,
    time_limit: float | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    compute: Compute = Compute(),
    board_for: Callable[[str, Sequence[Chunk]], Board] | None = None,
    on_member: Callable[[str, Callable[[], tuple[Model, OutOfBag]]], None] | None = None,
    calibrated: bool = True,
) -> list[tuple[Model, OutOfBag]]:
    """Return what `blend_table` does for each of several tables, such as the training rows of several splits.

    Networks of all tables train in the same stacks, which takes less time than one blend after the other. The results
    are the same.

    Args:
        portfolio: words of candidates; by default those that suit the number of rows.
        n_networks: networks of each member; by default as many as suit the number of rows.
        settings: of the recipe; they replace those that suit the number of rows.
        sample_weights: for each table the weight of each row [row]; 0 or more.
        time_limit: seconds for the fit; None trains each member once. Time that is left trains other kinds of members,
            except with a portfolio, and then more networks of those with weight in the blend, in bags of their own
            splits. What is trained depends on the machine.
        score, threshold, random_state, compute, board_for: as in `fit_model`.
        on_member: called when a member has finished, with its words and a function that returns its table's result with
            the members so far, uncalibrated.
        calibrated: whether the models get the errors for prediction sets, which takes a tenth of a fit.

    Raises:
        SeedbedError: an option is out of range, or a member can't be trained on a table.
    """
    is_number = isinstance(time_limit, int | float | np.number) and not isinstance(time_limit, bool)
    if time_limit is not None and not (is_number and time_limit > 0):
        raise OptionError(f"time_limit is {time_limit!r}", "It must be a number of seconds above 0, or None.")
    started, bags = time.monotonic(), list[list[Bag]]()
    ends = None if time_limit is None else started + time_limit
    for table, sample_weight in zip(tables, sample_weights or [None] * len(tables), strict=True):
        weights, members = _row_weights(table, sample_weight), members_for(portfolio, table)
        n = networks_for(table.n_rows, members) if n_networks is None else n_networks
        _check_number(n)
        data = MemberData(table, n, weights, random_state)
        bags.append([Bag(Fit(table, members, recipe_for(settings or {}, table.n_rows), data))])
    finished = functools.partial(_finished, random_state=random_state, score=score, threshold=threshold)
    running = Running.on(compute, board_for)

    def train(fits: Sequence[Fit], to: Sequence[Bag], seed: int, until: float | None) -> None:
        """Train members of each table and add them to bags."""
        training = trained_members(fits, random_state=seed, running=running, ends=until)
        n_before = [len(bag.members) for bag in to]
        with contextlib.closing(training):
            for place, number, member in training:
                to[number].members[n_before[number], *place] = member
                so_far = functools.partial(finished, bags[number], calibrated=False)
                if on_member is not None:
                    on_member(member.candidate.name, so_far)

    fits = [first.fit for (first,) in bags]
    train(fits, [first for (first,) in bags], random_state, ends)
    if ends is None or not all(fit.data.splits for fit in fits):
        return [finished(of_table, calibrated=calibrated) for of_table in bags]

    # Seconds for each second that was estimated. Members that overlap or are left out make it too low or too high.
    pace = (time.monotonic() - started) / sum(fit.seconds() for fit in fits)

    # The rest of the time is for other kinds of members, then for more networks of those with weight in the blend.
    others = [dataclasses.replace(fit, members=members_for(None, fit.table, more=True)) for fit in fits]
    half = (time.monotonic() + ends) / 2
    if portfolio is None and time.monotonic() + sum(fit.seconds(pace) for fit in others) < half:
        for of_table, fit, other in zip(bags, fits, others, strict=True):
            both = dataclasses.replace(fit, members=(*fit.members, *other.members))
            of_table[0] = dataclasses.replace(of_table[0], fit=both)
        train(others, [first for (first,) in bags], random_state, half)
    most = min(_MOST_BAGS, *(MOST_NETWORKS // fit.data.n_networks for fit in fits))
    while len(bags[0]) < most:
        seed = derive(random_state, "bag", len(bags[0])) % 2**32
        blends = [finished(of_table, calibrated=False)[1] for of_table in bags]
        fits = [of_table[0].again(blend.weights, seed) for of_table, blend in zip(bags, blends, strict=True)]
        if time.monotonic() + sum(fit.seconds(pace) for fit in fits) > ends:
            break
        for of_table, fit in zip(bags, fits, strict=True):
            of_table.append(Bag(fit))
        train(fits, [of_table[-1] for of_table in bags], seed, ends)
    return [finished(of_table, calibrated=calibrated) for of_table in bags]


def _finished(
    bags: Sequence[Bag],
    *,
    random_state: int,
    score: Mapping[str, Any] | None,
    threshold: float,
    calibrated: bool,
) -> tuple[Model, OutOfBag]:
    """Return the blend of the bags of a table, and its predictions for rows left out."""
    trained, data = joined(bags)
    if not trained:
        hint = "Give a lower learning rate. Trees need rows of each class in all inner splits, and time."
        raise TrainingError("no member of the portfolio could be fitted", hint)
    fit = bags[0].fit
    table, splits = fit.table, data.splits
    blended, out_of_bag, left_out = (
        _blended(table, trained, data, crossed=calibrated) if splits else _averaged(table, trained, data)
    )
    kept = [member for member in trained if member.candidate.name in blended.names]
    how = "by the rows that each network left out" if splits else "by the training rows, as none is left out"
    settled = TunedSettings(fit.recipe.lrs[0], max(member.epochs for member in kept), how)
    recipe = dataclasses.replace(fit.recipe, epoch="inner")
    facts = _facts(table, recipe, settled, data.n_networks, 0, random_state)
    if any(member.candidate.overrides for member in kept):
        facts["chosen"] += "; settings after @ replace these"
    if splits:
        facts["out_of_bag_loss"] = out_of_bag.loss
    if n_left_out := len(fit.members) - len(trained):
        facts["n_members_left_out"] = n_left_out
    place = int(bool(blended.limit))  # of the members' layer in the network, as the clip comes first
    states = {
        f"{place}.{number}.{name}": value for number, member in enumerate(kept) for name, value in member.states.items()
    }
    model = _model(table, AUTO, blended, states, data.preprocessor, facts, score, threshold, left_out)
    return model, out_of_bag


def _blended(
    table: Table, trained: Sequence[Member], data: MemberData, *, crossed: bool
) -> tuple[BlendedMembers, OutOfBag, Floats]:
    """Return the blend with the lowest loss on the rows that networks left out, and its predictions for them.

    Args:
        crossed: whether the last part of the result is computed, which takes a tenth of a fit: predictions like those
            out of bag, but by weights and a temperature that were chosen without the row's fold; otherwise NaN.
    """
    of_each = [_by_draw(member.outputs, table, data.target_scale) for member in trained]
    left_out = np.isfinite(of_each[0].reshape(len(of_each[0]), table.n_rows, -1)).all(axis=2).any(axis=0)
    counts = (np.ones(table.n_rows) if data.weights is None else data.weights.astype(np.float64))[left_out]
    of_each = [draw[:, left_out] for draw in of_each]
    target = table.target[left_out]
    if table.task == "regression":
        target = target.astype(np.float64)
    alone = {member.candidate.name: np.nanmean(draw, axis=0) for member, draw in zip(trained, of_each, strict=True)}
    full = [member.outputs.shape[2] == data.n_networks for member in trained]
    draws, trained = list(itertools.compress(of_each, full)), list(itertools.compress(trained, full))
    weights, temperature = _choice(draws, target, counts)
    values = np.full((table.n_rows, *draws[0].shape[2:]), np.nan)
    values[left_out] = _together(draws, weights, temperature)
    losses = {name: mean_loss(predicted, target, counts) for name, predicted in alone.items()}
    blended = _blend_of(table, trained, data, weights, temperature)
    out_of_bag = OutOfBag(values, mean_loss(values[left_out], target, counts), losses, blended.shares)
    if not crossed:
        return blended, out_of_bag, np.full_like(values, np.nan)
    apart = values[left_out]
    for split in data.splits[:N_FOLDS]:
        own = np.isin(np.flatnonzero(left_out), split.test)
        if own.any() and not own.all():
            chosen = _choice([draw[:, ~own] for draw in draws], target[~own], counts[~own])
            apart[own] = _together([draw[:, own] for draw in draws], *chosen)
    of_all = values.copy()
    of_all[left_out] = apart
    return blended, out_of_bag, of_all


def _choice(draws: Sequence[Floats], target: NDArray[Any], counts: Floats) -> tuple[Floats, float]:
    """Return the weights and the temperature with the lowest loss of the members' predictions [draw, row, ...]."""
    weights = blend_weights([np.nanmean(draw, axis=0) for draw in draws], target, counts)
    if target.dtype.kind == "f":
        return weights, 1.0
    return weights, best_temperature(_weighted(draws, weights), target, counts)


def _weighted(draws: Sequence[Floats], weights: Floats) -> Floats:
    return np.asarray(sum(weight * draw for weight, draw in zip(weights, draws, strict=True)))


def _together(draws: Sequence[Floats], weights: Floats, temperature: float) -> Floats:
    """Return the blended predictions of members' predictions [draw, row] or [draw, row, class], averaged over draws."""
    blended = _weighted(draws, weights)
    return np.asarray(np.nanmean(blended if blended.ndim == 2 else tempered(blended, temperature), axis=0))


def _averaged(table: Table, trained: Sequence[Member], data: MemberData) -> tuple[BlendedMembers, OutOfBag, Floats]:
    """Return the blend with equal weights, as without rows left out members can't be compared."""
    blended = _blend_of(table, trained, data, np.full(len(trained), 1 / len(trained)))
    values = np.full((table.n_rows, len(table.labels)) if table.labels else table.n_rows, np.nan)
    losses = {member.candidate.name: np.nan for member in trained}
    return blended, OutOfBag(values, np.nan, losses, blended.shares), values


def _blend_of(
    table: Table, trained: Sequence[Member], data: MemberData, weights: Floats, temperature: float = 1.0
) -> BlendedMembers:
    """Return the blend of the members whose weight isn't 0."""
    used = [(member.candidate, float(weight)) for member, weight in zip(trained, weights, strict=True) if weight]
    return BlendedMembers(
        members=tuple(cast("MLP | Trees", candidate.architecture) for candidate, _ in used),
        names=tuple(candidate.name for candidate, _ in used),
        weights=tuple(weight for _, weight in used),
        temperature=temperature,
        limit=LIMIT,
        numbers=table.task == "regression",
    )


def _mean_left_out(draws: Floats) -> Floats:
    """Return the mean of draws of predictions [draw, row, ...]; NaN for rows without any."""
    known = np.isfinite(draws)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, draws, 0.0).sum(axis=0) / known.sum(axis=0))


def _by_draw(outputs: NDArray[np.float32], table: Table, scale: tuple[float, float] = (0.0, 1.0)) -> Floats:
    """Return predictions for rows left out: probabilities [draw, row, class] or numbers [draw, row].

    A row's draws are the networks that left it out. NaN fills up the draws of rows that were left out less often.

    Args:
        outputs: for rows left out [row, output, network]; NaN elsewhere.
        scale: mean and deviation of a numeric target, if outputs are standardised.
    """
    there = np.isfinite(outputs[:, 0])
    place = there.cumsum(axis=1) - 1
    n_draws = max(int(there.sum(axis=1).max()), 1)
    by_draw = np.full((n_draws, len(outputs), outputs.shape[1]), np.nan)
    row, network = np.nonzero(there)
    by_draw[place[row, network], row] = outputs[row, :, network]
    if table.task == "regression":
        mean, deviation = scale
        return np.asarray(by_draw[:, :, 0] * deviation + mean)
    logits = torch.from_numpy(by_draw)
    if table.task == "binary":
        return torch.cat([(-logits).sigmoid(), logits.sigmoid()], 2).numpy()
    return logits.softmax(2).numpy()
