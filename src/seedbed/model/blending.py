"""Fit a model to a table: one candidate, or a blend of several."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.arguments import checked, shown
from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.errors import OptionError, TrainingError
from seedbed.evaluation.calibration import (
    apply_temperature,
    best_temperature,
    blend_weights,
    mean_loss,
)
from seedbed.model.ensemble import MOST_NETWORKS, typical_values
from seedbed.model.member import (
    LIMIT,
    N_FOLDS,
    Fit,
    Member,
    is_network,
    range_factor,
)
from seedbed.model.members import join_bags, trained_members
from seedbed.model.model import Model
from seedbed.model.portfolio import (
    AUTO,
    candidates_for,
    default_models,
    more_members,
    n_networks_for,
)
from seedbed.model.row_hashes import Hashes, kept_hashes, row_hashes
from seedbed.model.sets import left_out_errors
from seedbed.networks.candidate import Candidate
from seedbed.networks.draws import derive
from seedbed.networks.mlp import MLP, BlendedMembers, Prior, Regression, Trees
from seedbed.report.sentences import serious_sentences
from seedbed.settings.design import Compute
from seedbed.settings.fields import place_of
from seedbed.settings.recipe import RECIPES, Recipe
from seedbed.training.candidates import warn_of_probabilities
from seedbed.training.environment import versions
from seedbed.training.parallel import one_thread
from seedbed.typing import Floats

_MOST_BAGS = 8  # of a blend with a time limit
_IDLE = 3  # additions in a row that bring nothing end the fit
_TINIEST = 1e-12
_LEAST_GAIN = 0.001  # share of the out-of-bag loss by which an addition must lower it


@checked(lambda name: place_of(name, Compute, Recipe))
def fit_model(
    table: Any,
    candidate: Any = AUTO,
    *,
    target: str | int | None = None,
    recipe: Recipe = RECIPES["default"],
    n_networks: int | None = None,
    sample_weight: Any = None,
    time_limit: float | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    compute: Compute = Compute(),
) -> Model:
    """Fit a model to all rows of a table.

    A model averages the predictions of several networks, or trees. Each leaves out a fold of the
    rows, by which training ends.

    Args:
        table: a table from `read_table`; or a source that `read_table` takes, together with
            `target`.
        candidate: "auto", a blend of the default models; the name of one of these, such as
            "network-1"; words such as "relu:64,64@dropout=0.1"; a function that builds an
            `nn.Module`; or a list of several, which are blended.
        target: the column to predict, if the table isn't read yet.
        recipe: settings that the candidate's words don't contain.
        n_networks: number of networks, each with its own seed; 8, or 4 from 12,000 rows on, if left
            out. A single one is trained on all rows for all epochs.
        sample_weight: weight of each row [row]; 0 or more.
        time_limit: seconds for the fit; what time is left adds members and networks to a blend
            as long as they lower its out-of-bag loss.
        score: expected performance of the model, and what was scored.
        threshold: for two labels, the probability above which the positive one is predicted.
        random_state: all random numbers are derived from it.
        compute: what trains, and where, see `Compute`.

    Raises:
        SeedbedError: the candidate can't be trained on this table, or an option is out of range.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of
            returning logits.

    Examples:
        >>> sb.fit_model("example:iris", "relu:5", n_networks=2)
        <Model relu:5 of 2 networks, predicts species (multiclass)>
    """
    if not isinstance(table, Table):
        table = read_table(table, target=target)
    elif target is not None:
        raise OptionError(
            "a target was given with a table that is read already",
            "Give it to read_table.",
        )
    table.outcome.check_threshold(None if threshold == 0.5 else threshold)
    portfolio: Sequence[Any] | None = [candidate]
    if isinstance(candidate, str) and candidate.strip() == AUTO:
        portfolio = None
    elif isinstance(candidate, list | tuple):
        portfolio = candidate
    model, _ = blend_table(
        table,
        portfolio=portfolio,
        n_networks=n_networks,
        recipe=recipe,
        sample_weight=sample_weight,
        time_limit=time_limit,
        random_state=random_state,
        compute=compute,
    )
    return dataclasses.replace(model, score=score, threshold=threshold)


def _row_weights(
    table: Table, sample_weight: ArrayLike | None
) -> NDArray[np.float32] | None:
    if sample_weight is None:
        return None
    try:
        with np.errstate(over="ignore"):  # infinite weights are refused below
            weights = np.asarray(sample_weight, dtype=np.float32)
    except (TypeError, ValueError):
        raise OptionError(
            f"sample_weight is {shown(sample_weight)}", "Give a number for each row."
        ) from None
    if weights.shape != (table.n_rows,):
        raise OptionError(
            f"sample_weight has shape {list(weights.shape)}",
            f"It must be [{table.n_rows}].",
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise OptionError(
            "sample_weight is negative, all zero or not finite",
            "Give a weight of 0 or more per row.",
        )
    return weights


@dataclass(frozen=True, eq=False)
class OutOfBag:
    """Predictions of a blend for the rows it was fitted to, each by the networks that weren't
    trained on the row.

    The same rows choose weights, temperature and epochs. So the loss is slightly too good, but
    these are few numbers for many rows.

    Attributes:
        values: probabilities [row, class], or numbers [row]; NaN for rows that were never left out.
        loss: mean log loss, or mean squared error; NaN if no row was left out.
        losses: the same of each member alone, by its words; members without weight in the blend are
            included.
        weights: the weight of each member in the blend, by its words, without members of weight 0.
        temperature: of the blend's probabilities.
    """

    values: Floats
    loss: float
    losses: Mapping[str, float]
    weights: Mapping[str, float]
    temperature: float = 1.0


@one_thread("cpu")
def blend_table(
    table: Table,
    *,
    portfolio: Sequence[Any] | None = None,
    n_networks: int | None = None,
    recipe: Recipe = RECIPES["default"],
    sample_weight: ArrayLike | None = None,
    time_limit: float | None = None,
    random_state: int = 0,
    compute: Compute = Compute(),
    say: Callable[[str], None] | None = None,
) -> tuple[Model, OutOfBag]:
    """Fit the members of a portfolio to all rows; return their blend, and its predictions for rows
    left out.

    A member is a stack of networks, each of which leaves out other rows. The rows left out decide
    after how many epochs each member stops, its weight in the blend, and the temperature of the
    blend.

    Args:
        portfolio: candidates, their words, or names of default models; by default all of these but
            `prior`. A single one is a model of its own.
        n_networks: networks of each member; by default as many as suit the number of rows.
        recipe: of the members, whose words may override it.
        sample_weight: weight of each row [row]; 0 or more.
        time_limit: seconds for the fit; None trains each member once. Time that is left tries
            other kinds of members one by one, except with a portfolio, and then more networks of
            those with weight in the blend, in bags of their own splits. Each kind of addition ends
            when three in a row bring nothing. What is trained depends on the machine.
        random_state, compute: as in `fit_model`.
        say: called with a line on each member that has finished, on each addition within a time
            limit, and on what ended these.
    """
    is_number = isinstance(time_limit, int | float | np.number) and not isinstance(
        time_limit, bool
    )
    if time_limit is not None and not (is_number and time_limit > 0):
        raise OptionError(
            f"time_limit is {time_limit!r}",
            "It must be a number of seconds above 0, or None.",
        )
    started = time.monotonic()
    ends = None if time_limit is None else started + time_limit
    if sample_weight is not None:
        table.outcome.refuse("sample_weight")
    n = n_networks_for(table.n_rows) if n_networks is None else n_networks
    whole = table
    typical = typical_values(table.columns)
    columns = [column.values for column in table.columns]
    hashes = kept_hashes(
        row_hashes(columns, typical[:, 1], table.target, table.durations), table.n_rows
    )
    table = table.expanded()
    typical = np.concatenate([typical, typical_values(table.columns[len(typical) :])])
    weights = _row_weights(table, sample_weight)
    members = members_for(portfolio, table, recipe)
    if any(isinstance(member.architecture, Prior) for member in members):
        whole.outcome.refuse(
            "training the prior", "It is the Kaplan-Meier curve, the same for all rows."
        )
    warn_of_probabilities(members[0], table)
    if not 1 <= n <= MOST_NETWORKS:
        raise OptionError(
            f"n_networks is {shown(n)}", f"A model has 1 to {MOST_NETWORKS:,} networks."
        )
    if n == 1 and len(members) > 1:
        raise OptionError(
            "a blend of single networks has no rows left out",
            "Give n_networks=2 or more.",
        )
    fit = Fit(table, members, recipe, n, random_state, weights, drops=len(members) > 1)
    bags = [fit]
    finished = functools.partial(_finished, bags, random_state, typical, hashes)

    def train(fit: Fit, until: float | None) -> None:
        """Train members and add them to those of a fit."""
        n_before = len(fit.trained)
        with contextlib.closing(
            trained_members([fit], compute=compute, ends=until)
        ) as training:
            for place, _, member in training:
                fit.trained[n_before, *place] = member
                if say is not None:
                    _, so_far = finished(calibrated=False)
                    own = so_far.losses[member.candidate.name]
                    say(
                        f"{member.candidate.name}: out-of-bag loss {own:.4g}, "
                        f"of the model so far {so_far.loss:.4g}"
                    )

    train(fit, ends)
    if ends is None or not fit.leaves_out:
        return finished(calibrated=True)

    others = more_members(table) if portfolio is None else ()
    _use_rest(bags, others, train, started, ends, say or (lambda line: None))
    return finished(calibrated=True)


def _use_rest(
    bags: list[Fit],
    others: Sequence[Candidate],
    train: Callable[[Fit, float | None], None],
    started: float,
    ends: float,
    say: Callable[[str], None],
) -> None:
    """Add members, and then bags of those with weight, until a time or until three in a row don't
    lower the loss."""

    def is_better_with(name: str, fit: Fit, until: float) -> bool:
        before = _honest_loss(bags)
        n_before = len(fit.trained)
        train(fit, until)
        if len(fit.trained) == n_before:
            say(f"{name} left out: it can't be fitted, or not in time")
            return False
        change = _honest_loss(bags) / max(before, _TINIEST) - 1
        bags[0].added[name] = float(np.nan_to_num(change))
        say(f"added {name}: out-of-bag loss {change:+.2%}")
        return change < -_LEAST_GAIN

    # Other kinds of members may take half of the rest, so that their bags have time, too.
    first = bags[0]
    half = (time.monotonic() + ends) / 2
    usual = (time.monotonic() - started) / len(first.members)
    idle = 0
    whole = first.with_members([*first.members, *others])
    for member in whole.members[len(first.members) :]:
        if idle == _IDLE or time.monotonic() + usual > half:
            break
        bags[0] = bags[0].with_members([*bags[0].members, member])
        is_better = is_better_with(member.name, first.with_members([member]), half)
        idle = 0 if is_better else idle + 1
    idle = 0
    while len(bags) < min(_MOST_BAGS, MOST_NETWORKS // first.n_networks):
        if idle == _IDLE:
            say(f"stopped: {_IDLE} additions in a row brought nothing")
            return
        seconds = time.monotonic() - started
        started = time.monotonic()
        if started + seconds > ends:
            say("stopped: there is no time for more networks")
            return
        trained, whole = join_bags(bags)
        weights = blend_members(whole, trained, crossed=False)[0].weights
        seed = derive(first.random_state, "bag", len(bags)) % 2**32
        bags.append(bags[0].on_other_splits(weights, seed))
        is_better = is_better_with(f"bag {len(bags)}", bags[-1], ends)
        idle = 0 if is_better else idle + 1
    say(f"stopped: there are {len(bags)} bags of networks")


def _honest_loss(bags: Sequence[Fit]) -> float:
    """Return the loss for rows left out, by weights chosen without the row's fold."""
    trained, whole = join_bags(bags)
    if not trained:
        return math.nan
    _, values = blend_members(whole, trained, crossed=True)
    rows = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    weights = np.ones(len(values))
    if whole.weights is not None:
        weights = whole.weights.astype(np.float64)
    return mean_loss(values[rows], whole.table.target[rows], weights[rows])


def members_for(
    portfolio: Sequence[Any] | None, table: Table, recipe: Recipe
) -> tuple[Candidate, ...]:
    """Return the candidates of a blend, adapted to the table's inputs."""
    if portfolio is None:
        portfolio = [name for name in default_models(table)[0] if name != "prior"]
    if not portfolio:
        raise OptionError(
            "portfolio is empty", "Name candidates to blend, or leave it out."
        )
    members = candidates_for(portfolio, table)
    for member in members if len(members) > 1 else ():
        if not isinstance(member.architecture, MLP | Trees | Regression):
            raise OptionError(
                f"'{member.name}' can't be blended",
                "Name default models, or networks in words such as relu:64,64.",
            )
        if is_network(member) and not member.recipe(recipe).leaves_out:
            raise OptionError(
                f"'{member.name}' leaves out no rows, so it can't be blended",
                "Leave out patience=none.",
            )
    return members


def _finished(
    bags: Sequence[Fit],
    random_state: int,
    typical: Floats,
    hashes: Hashes | None,
    *,
    calibrated: bool,
) -> tuple[Model, OutOfBag]:
    """Return the model of the bags of a table, and its predictions for rows left out."""
    trained, whole = join_bags(bags)
    fit, first = bags[0], bags[0].members[0]
    if not trained:
        message = "no member of the portfolio could be fitted"
        if len(fit.members) == 1:
            diverged = f"candidate '{first.name}': every network diverged"
            message = (
                diverged if is_network(first) else f"'{first.name}' can't be fitted"
            )
        raise TrainingError(
            message,
            "Give a lower learning rate. Trees need rows that can be divided, and time.",
        )
    table = fit.table
    out_of_bag, left_out = blend_members(whole, trained, crossed=calibrated)
    weighted = [
        member for member in trained if member.candidate.name in out_of_bag.weights
    ]
    facts = _facts(fit, weighted, random_state)
    if n_missing := len(fit.members) - len(trained):
        facts["n_members_left_out"] = n_missing
    if fit.added:
        facts["added"] = dict(fit.added)
    if np.isfinite(out_of_bag.loss):
        facts["out_of_bag_loss"] = out_of_bag.loss
    model = dataclasses.replace(
        make_model(
            AUTO if len(fit.members) > 1 else first.name, whole, weighted, out_of_bag
        ),
        training=facts,
        calibration=left_out_errors(table, left_out),
        versions=versions(),
        typical=typical,
        training_rows=hashes,
        warnings=tuple(serious_sentences(table.notes)),
    )
    return model, out_of_bag


def make_model(
    name: str, fit: Fit, members: Sequence[Member], blended: OutOfBag | None = None
) -> Model:
    """Return the model of members that are fitted to a table, without a word on how it was made.
    `blended` gives their weights, in their order, and the temperature; None for a single member."""
    table, architecture, states = (
        fit.table,
        members[0].candidate.architecture,
        members[0].states,
    )
    if len(members) > 1 or members[0].clipped:
        architecture = BlendedMembers(
            members=tuple(
                cast("MLP | Trees", member.candidate.architecture) for member in members
            ),
            names=tuple(member.candidate.name for member in members),
            weights=(1.0,) if blended is None else tuple(blended.weights.values()),
            temperature=1.0 if blended is None else blended.temperature,
            limit=LIMIT,
            numbers=table.outcome.is_number,
        )
        numbered = enumerate(members)  # their layers come behind the clip
        states = {
            f"1.{number}.{name}": value
            for number, member in numbered
            for name, value in member.states.items()
        }
    mean, deviation = fit.target_scale
    return Model(
        candidate=name,
        architecture=architecture,
        states=states,
        preprocessor=fit.preprocessor,
        target_name=table.target_name,
        task=table.task,
        labels=table.labels,
        target_mean=mean,
        target_deviation=deviation,
        follow_up=table.follow_up,
    )


def _facts(fit: Fit, members: Sequence[Member], random_state: int) -> dict[str, Any]:
    """Return how a model was made, as plain values."""
    table = fit.table
    n_rows_without = sum(
        note.count or 0 for note in table.notes if note.code == "SB205"
    )
    identifiers = [note.column for note in table.notes if note.code == "SB101"]
    networks = [member for member in members if member.epochs]
    recipes = [fit.recipe_of(member.candidate) for member in networks]
    recipe = max(
        recipes, key=recipes.count, default=fit.recipe_of(Candidate("", MLP()))
    )
    leaves_out = fit.leaves_out and recipe.leaves_out
    chosen = (
        "by the rows that each network left out"
        if leaves_out
        else "all epochs, as no rows are left out"
    )
    chosen += "; some members have other settings" * (
        len({one.describe() for one in recipes}) > 1
    )
    return {
        **({"n_left_out": n_rows_without} if n_rows_without else {}),
        **({"identifiers": identifiers} if identifiers else {}),
        **_range_of(fit, members),
        "table": table.name,
        "n_rows": table.n_cases,
        "n_networks": fit.n_networks,
        "n_diverged": 0,
        "recipe": recipe.describe() if networks else "fitted until they converge",
        "lr": recipe.lr,
        "epochs": max((member.epochs for member in members), default=0),
        "chosen": chosen if networks else "without epochs",
        "random_state": random_state,
    }


def _range_of(fit: Fit, members: Sequence[Member]) -> dict[str, Any]:
    """Return what the range of a prediction depends on, for `ranges_of_rows`; nothing if no network
    has left out rows that others have."""
    table = fit.table
    all_leave_out = all(
        fit.recipe_of(member.candidate).leaves_out or not member.epochs
        for member in members
    )
    if table.times is not None or not fit.leaves_out or not all_leave_out:
        return {}
    n_rows = table.n_cases if table.groups is None else len(np.unique(table.groups))
    n_left_out = np.mean([len(split.test) for split in fit.splits])
    named = {member.name: member for member in fit.members}
    known = {
        "factor": range_factor([named[member.candidate.name] for member in members]),
        "n_rows": n_rows,
        "folds": round(table.n_rows / n_left_out),
    }
    return {"range": known}


def blend_members(
    fit: Fit, trained: Sequence[Member], *, crossed: bool
) -> tuple[OutOfBag, Floats]:
    """Return the weights with the lowest loss on the rows that networks left out, and the
    predictions for them.

    A single member has weight 1 and no temperature. With `crossed`, which takes a tenth of a fit,
    the last part of the result is computed: predictions like those out of bag, but by weights and a
    temperature chosen without the row's fold.
    """
    table = fit.table
    names = [member.candidate.name for member in trained]
    of_each = [_by_draw(member.outputs, table, fit.target_scale) for member in trained]
    values = np.full(of_each[0].shape[1:], np.nan)
    rows = np.flatnonzero(
        np.isfinite(of_each[0].reshape(*of_each[0].shape[:2], -1))
        .all(axis=2)
        .any(axis=0)
    )
    if not len(rows):
        nothing, shares = (
            dict.fromkeys(names, np.nan),
            dict.fromkeys(names, 1 / len(names)),
        )
        return OutOfBag(values, np.nan, nothing, shares), values
    counts = (
        np.ones(table.n_rows) if fit.weights is None else fit.weights.astype(np.float64)
    )[rows]
    target = table.target[rows]
    of_each = [draw[:, rows] for draw in of_each]
    each = zip(names, of_each, strict=True)
    losses = {
        name: mean_loss(np.nanmean(draw, axis=0), target, counts) for name, draw in each
    }
    full = [member.outputs.shape[2] == fit.n_networks for member in trained]
    draws, names = (
        list(itertools.compress(of_each, full)),
        list(itertools.compress(names, full)),
    )
    weights, temperature = _choose_blend(draws, target, counts)
    values[rows] = np.nanmean(_blended(draws, weights, temperature), axis=0)
    shares = {
        name: weight for name, weight in zip(names, weights, strict=True) if weight
    }
    out_of_bag = OutOfBag(
        values, mean_loss(values[rows], target, counts), losses, shares, temperature
    )
    if not crossed or len(draws) == 1:
        return out_of_bag, values
    crossed_values = values.copy()
    for split in fit.splits[:N_FOLDS]:
        in_fold = np.isin(rows, split.test)
        if in_fold.any() and not in_fold.all():
            chosen = _choose_blend(
                [draw[:, ~in_fold] for draw in draws],
                target[~in_fold],
                counts[~in_fold],
            )
            in_blend = _blended([draw[:, in_fold] for draw in draws], *chosen)
            crossed_values[rows[in_fold]] = np.nanmean(in_blend, axis=0)
    return out_of_bag, crossed_values


def _blended(
    each: Sequence[Floats], weights: Sequence[float], temperature: float
) -> Floats:
    """Return the weighted mean of members' predictions [network, row] or [network, row, class]."""
    mean = _weighted(each, weights)
    return mean if mean.ndim == 2 else apply_temperature(mean, temperature)


def _weighted(draws: Sequence[Floats], weights: Sequence[float]) -> Floats:
    return np.asarray(
        sum(weight * draw for weight, draw in zip(weights, draws, strict=True))
    )


def _choose_blend(
    draws: Sequence[Floats], target: NDArray[Any], counts: Floats
) -> tuple[list[float], float]:
    """Return the weights and the temperature with the lowest loss of the members' predictions
    [draw, row, ...]."""
    if len(draws) == 1:
        return [1.0], 1.0
    weights = blend_weights(
        [np.nanmean(draw, axis=0) for draw in draws], target, counts
    ).tolist()
    mean = _weighted(draws, weights)
    return weights, 1.0 if mean.ndim == 2 else best_temperature(mean, target, counts)


def _by_draw(
    outputs: NDArray[np.float32], table: Table, scale: tuple[float, float]
) -> Floats:
    """Return predictions for rows left out: probabilities [draw, row, class] or numbers [draw,
    row].

    A row's draws are the networks that left it out. NaN fills up the draws of rows that were left
    out less often, and outputs [row, output, network] of rows that a network trained on.
    """
    there = np.isfinite(outputs[:, 0])
    place = there.cumsum(axis=1) - 1
    n_draws = max(int(there.sum(axis=1).max()), 1)
    by_draw = np.full((n_draws, len(outputs), outputs.shape[1]), np.nan)
    row, network = np.nonzero(there)
    by_draw[place[row, network], row] = outputs[row, :, network]
    return table.outcome.predicted(by_draw, scale)
