"""Fit the members of models: networks of several tables in shared stacks, trees and linear models
in a thread."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import SeedbedError
from seedbed.model.linear import fit_prior, fit_regression
from seedbed.model.member import Fit, Front, Member, is_clipped, is_network, trees_of
from seedbed.model.trees import FittedMember, fit_trees, pad_trees
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import MLP, Architecture, Prior
from seedbed.settings.design import Compute
from seedbed.training.candidates import check_candidate
from seedbed.training.data import TrainingData
from seedbed.training.loop import ChunkResult, train_chunks
from seedbed.training.parallel import BackgroundWork, pick_jobs
from seedbed.training.planning import pick_device, plan_chunks
from seedbed.training.stack import Chunk
from seedbed.training.tree_growth import Halted

# How long members wait for a better epoch, see `Chunk.patience`. Those without hidden layers are
# cheap, and their loss falls by little in each epoch.
_PATIENCE, _LINEAR_PATIENCE = (3, 8), (8, 8)
_MOST_FITS, _MOST_ROWS = (
    8,
    4000,
)  # fits whose networks share a stack, and the sum of their rows
_Trained = tuple[
    tuple[int, int], int, Member
]  # a member's place, the number of its fit, and the member
_ROW_WORK = 16_000  # parameters that take as long as all that a row takes besides (benchmarks/LOG.md)


def join_bags(bags: Sequence[Fit]) -> tuple[list[Member], Fit]:
    """Return the trained members of the first fit in order, with their networks in all fits, and
    the fit of these networks.

    A later fit has some of the members on other splits; the others stay as they are, with fewer
    networks. A later fit in which a member is missing doesn't count.
    """
    first, *later = bags
    members = [first.trained[place] for place in sorted(first.trained)]
    later = [bag for bag in later if len(bag.trained) == len(bag.members)]
    if not later:
        return members, first
    by_name = [
        {member.candidate.name: member for member in bag.trained.values()}
        for bag in later
    ]
    for number, member in enumerate(members):
        same = [
            member,
            *(
                bag[member.candidate.name]
                for bag in by_name
                if member.candidate.name in bag
            ),
        ]
        candidate = member.candidate
        states = [one.states for one in same]
        if trees := trees_of(candidate):
            trees, states = pad_trees(
                [trees_of(one.candidate) or trees for one in same], states
            )
            candidate = replace(candidate, architecture=trees)
        joined = {
            name: np.concatenate([state[name] for state in states])
            for name in member.states
        }
        outputs = np.concatenate([one.outputs for one in same], axis=2)
        members[number] = Member(
            candidate, joined, outputs, max(one.epochs for one in same)
        )
    whole = copy.copy(first)
    n_networks = sum(bag.n_networks for bag in (first, *later))
    vars(whole).update(
        splits=[split for bag in (first, *later) for split in bag.splits],
        n_networks=n_networks,
    )
    return members, whole


def trained_members(
    fits: Sequence[Fit], *, compute: Compute, ends: float | None = None
) -> Generator[_Trained]:
    """Train the members of fits; yield a member's place, the number of its fit, and the member, as
    they finish.

    Networks of several fits share stacks. The places give members the same order whatever finishes
    first.

    Members whose networks diverge are left out. If training is to end at a time of
    `time.monotonic`, each tree may take half of the time that is left, and each network its share
    of the rest, see `_batches`.
    """
    jobs = pick_jobs(compute.n_jobs)
    halted = np.zeros(1, dtype=np.int32)
    background = None
    trained = dict[object, list[_Piece]]()
    others = _fit_others(fits, jobs, ends, halted)
    with contextlib.ExitStack() as at_end:
        if (
            ends is None
            and jobs > 1
            and any(not is_network(one) for fit in fits for one in fit.members)
        ):
            background = at_end.enter_context(
                contextlib.closing(BackgroundWork(others))
            )
            at_end.callback(halted.fill, 1)
        else:
            yield from others
        for batch in _batches(_plan_networks(fits, compute), jobs, ends):

            def failed(
                number: int, error: SeedbedError, batch: list[_Networks] = batch
            ) -> None:
                for fit in batch[number].rows:
                    fits[fit].fail(batch[number].candidate, error)

            for number, result in train_chunks(
                [networks.chunk for networks in batch], jobs, failed
            ):
                networks = batch[number]
                for which in networks.rows:
                    if not len(columns := np.flatnonzero(networks.fits == which)):
                        continue
                    pieces = trained.setdefault((networks.candidate.name, which), [])
                    pieces.append(_Piece(networks, result, columns))
                    is_whole = (
                        sum(len(piece.columns) for piece in pieces)
                        == fits[which].n_networks
                    )
                    if (
                        is_whole
                        and (member := _joined_member(pieces, which)) is not None
                    ):
                        yield from background.finished(wait=False) if background else ()
                        yield (0, networks.place), which, member
        yield from background.finished(wait=True) if background else ()


def _fit_others(
    fits: Sequence[Fit], jobs: int, ends: float | None, halted: Halted
) -> Iterator[_Trained]:
    """Fit linear models, boosted trees, and then extra trees. Yields as `trained_members`."""
    data = [fit.for_trees() for fit in fits]
    known = dict[tuple[int, str], FittedMember]()
    grow = functools.partial(fit_trees, jobs=jobs, halted=halted)
    for method, (which, fit) in itertools.product(
        ("", "boosted", "extra"), enumerate(fits)
    ):
        for place, member in enumerate(fit.members):
            trees = trees_of(member)
            fitted = None
            if is_network(member) or method != (trees.method if trees else ""):
                continue
            until = None if ends is None else (time.monotonic() + ends) / 2
            rival = (
                known.get((which, "boosted"))
                if fit.drops and trees and not trees.n_nodes
                else None
            )
            try:
                if trees is None:
                    fitted = (
                        fit_prior
                        if isinstance(member.architecture, Prior)
                        else fit_regression
                    )(data[which])
                elif fit.splits:
                    fitted = grow(
                        trees,
                        data[which],
                        random_state=fit.random_state,
                        rival=rival,
                        until=until,
                    )
                elif fit.failures is not None:
                    fit.failures[member.name] = (
                        "trees need training rows that can be divided"
                    )
            except Exception as error:  # noqa: BLE001 - whatever fails, others can be fitted
                fit.fail(member, error)
            if fitted is not None:
                known[which, method] = fitted
                member = replace(member, architecture=fitted.architecture)
                yield (-1, place), which, Member(member, fitted.states, fitted.outputs)


def _networks_of(fits: Sequence[Fit]) -> list[tuple[Candidate, list[int]]]:
    """Return the members that are networks, each with the numbers of its fits. Those with equally
    encoded inputs follow each other, as inputs may take memory."""
    groups: dict[object, dict[object, tuple[Candidate, list[int]]]] = {}
    for number, fit in enumerate(fits):
        for member in filter(is_network, fit.members):
            network = member.architecture
            like = (
                member.name,
                getattr(network, "numbers", None),
                getattr(network, "categories", None),
            )
            groups.setdefault(_encoding(network), {}).setdefault(like, (member, []))[
                1
            ].append(number)
    return [member for group in groups.values() for member in group.values()]


def _encoding(network: Architecture) -> tuple[int, bool]:
    """Return what decides how a network's inputs are encoded: into how many bins, and whether
    categories are."""
    return (
        (network.ple, bool(network.embed)) if isinstance(network, MLP) else (0, False)
    )


class _Networks(NamedTuple):
    """Networks of a member that train together. They leave out rows if the chunk has `patience`."""

    place: int  # decides the order of members
    candidate: Candidate
    chunk: Chunk
    fits: NDArray[np.int64]  # the number of the fit of each network [network]
    rows: Mapping[int, slice]  # of each fit in the chunk's table
    fronts: Mapping[int, Front | None]  # of each fit, see `Fit.for_member`

    @property
    def work(self) -> int:
        """About how long they train, relative to others, by epochs, rows and parameters of all
        networks."""
        chunk = self.chunk
        return (
            chunk.recipe.n_epochs
            * len(chunk.data.X)
            * (chunk.n_parameters + _ROW_WORK)
            * len(chunk.seeds)
        )


class _Piece(NamedTuple):
    """The result of networks, and which of its columns are a fit's."""

    networks: _Networks
    result: ChunkResult
    columns: NDArray[np.int64]


def _batches(
    planned: Iterator[_Networks], jobs: int, ends: float | None
) -> Iterator[list[_Networks]]:
    """Yield networks that train at the same time.

    If training is to end at a time of `time.monotonic`, chunks get shares of what is left in
    proportion to their work, and at least one epoch. Those that haven't started by then are left
    out, but never the first one.
    """
    in_turn = jobs == 1
    if ends is None and in_turn:  # not all inputs are needed at a time
        yield from ([networks] for networks in planned)
        return
    waiting = list(planned)
    if not in_turn:
        waiting.sort(
            key=lambda networks: -networks.work
        )  # so that all cores end together
    if ends is None:
        yield waiting
        return
    n_chunks = len(waiting)
    while waiting:
        left = max(ends - time.monotonic(), 0.0)
        loads = [0.0] * jobs
        if not left and len(waiting) < n_chunks:
            return
        for networks in waiting:
            loads[loads.index(min(loads))] += networks.work
        batch, waiting = (waiting[:1], waiting[1:]) if in_turn else (waiting, [])
        shares = [(networks, left * networks.work / max(loads)) for networks in batch]
        yield [
            networks._replace(chunk=replace(networks.chunk, seconds=share))
            for networks, share in shares
        ]


def _joined_member(pieces: list[_Piece], which: int) -> Member | None:
    """Return the member of a fit from the results of its networks; None if one diverged."""
    pieces.sort(key=lambda piece: piece.networks.chunk.networks[piece.columns[0]])
    networks, first, columns = pieces[0]
    chunk = networks.chunk
    rows = networks.rows[which]
    states = {
        name: np.concatenate([result.stacked[name][some] for _, result, some in pieces])
        for name in first.stacked
    }
    curves = np.concatenate(
        [result.curves[:, :, some] for _, result, some in pieces], axis=2
    )
    if not all(np.isfinite(value).all() for value in states.values()):
        return None
    if chunk.patience is not None:
        outputs = first.outputs[rows][:, :, columns]
    elif np.isfinite(curves[:, -1]).all():
        shape = rows.stop - rows.start, first.outputs.shape[1], curves.shape[2]
        outputs = np.full(shape, np.nan, dtype=np.float32)
    else:
        return None
    epochs = int(first.epochs[columns[0]])
    clipped = is_clipped(networks.candidate, chunk.recipe)
    member = Member(
        networks.candidate, states, outputs, epochs, curves, chunk.note, clipped
    )
    front = networks.fronts[which]
    return member if front is None else front.put_before(member)


def _plan_networks(fits: Sequence[Fit], compute: Compute) -> Iterator[_Networks]:
    """Plan the chunks of members. Inputs are computed once for all members that have the same."""
    inputs: dict[object, tuple[TrainingData, Front | None]] = {}
    tables: dict[object, TrainingData] = {}
    encoding = None
    places = itertools.count()
    device = pick_device(compute.device)
    for candidate, numbers in _networks_of(fits):
        network = candidate.architecture
        kinds = dict[object, list[int]]()
        if _encoding(network) != encoding:
            encoding = _encoding(network)
            inputs = {}
            tables = {}
        recipes = {number: fits[number].recipe_of(candidate) for number in numbers}
        key = is_clipped(candidate, recipes[numbers[0]]), recipes[numbers[0]].leaves_out
        for number, recipe in recipes.items():
            fit = fits[number]
            if (number, key) not in inputs:
                inputs[number, key] = fit.for_member(candidate, recipe)
            data, front = inputs[number, key]
            shape = data.X.shape[1], front is None, fit.table.task, fit.table.n_outputs
            kinds.setdefault((*shape, fit.n_networks, recipe), []).append(number)
        for kind in kinds.values():
            table = fits[kind[0]].table
            n = fits[kind[0]].n_networks
            recipe = recipes[kind[0]]
            leaves_out = recipe.leaves_out and fits[kind[0]].leaves_out
            # A step over all rows would pass those of the other tables, too.
            most = max(
                1,
                min(
                    _MOST_FITS,
                    _MOST_ROWS // max(fits[number].table.n_rows for number in kind),
                ),
            )
            most = most if recipe.batch_size and leaves_out else 1
            patience = None
            if leaves_out:
                usual = (
                    _LINEAR_PATIENCE
                    if isinstance(network, MLP) and not network.widths
                    else _PATIENCE
                )
                patience = (recipe.patience,) * 2 if recipe.patience else usual
            for some in np.array_split(kind, -(-len(kind) // most)):
                same = some.tolist()
                if (key, *same) not in tables:
                    tables[key, *same] = _join_tables(
                        [inputs[number, key][0] for number in same]
                    )
                data = tables[key, *same]
                fronts = {number: inputs[number, key][1] for number in same}
                network = candidate.architecture
                if fronts[same[0]] is not None:
                    assert isinstance(network, MLP)
                    network = replace(network, ple=0, numbers=None)
                try:
                    bare = replace(candidate, architecture=network)
                    source = check_candidate(
                        bare, table, data, recipe, compute.engine, device
                    )
                    seeds = [
                        *itertools.chain(
                            *(fits[one].seeds_of(candidate) for one in same)
                        )
                    ]
                    whole = Chunk(
                        source,
                        data,
                        recipe,
                        seeds,
                        range(len(seeds)),
                        group_size=n,
                        patience=patience,
                    )
                    chunks = plan_chunks(
                        replace(whole, engine=compute.engine, device=device)
                    )
                except SeedbedError as error:
                    for number in same:
                        fits[number].fail(candidate, error)
                    continue
                ends = np.cumsum(
                    [fits[number].table.n_rows for number in same]
                ).tolist()
                rows = {
                    number: slice(*part)
                    for number, part in zip(
                        same, itertools.pairwise([0, *ends]), strict=True
                    )
                }
                for chunk in chunks:
                    of_fit = np.repeat(some, n)[list(chunk.networks)]
                    yield _Networks(
                        next(places), candidate, chunk, of_fit, rows, fronts
                    )


def _join_tables(parts: Sequence[TrainingData]) -> TrainingData:
    """Return tables one below the other. The networks of each have rows of that table alone."""
    if len(parts) == 1:
        return parts[0]
    from scipy.linalg import block_diag

    X, y = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y")
    )
    train, test = (
        block_diag(*(getattr(part, name) for part in parts))
        for name in ("train", "test")
    )
    return TrainingData(X=X, y=y, train=train, test=test)
