"""How good seedbed's estimators are beside those of other libraries, on the same folds.

    make peers                                          all, which takes days on one core; stop it whenever you like
    python benchmarks/peers.py --most-rows 3000 --repeats 1 --methods seedbed,catboost,logistic
    python benchmarks/peers.py --folds 1 --methods autogluon     what is slow, on the first fold of each repeat only
    python benchmarks/peers.py --page                   no fit, only the page

Each fit is a line of the CSV, and what is there isn't run again; to run it again, delete its lines.
Of lines for the same fit the last one counts. Several runs, of other methods, may write to one CSV.
Fits go by threads, then by repeat, then from the smallest table to the largest, so that at any time
what is there is of use. benchmarks/peers.md is made from the CSV alone.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from peer_fits import Fit, Fitter
from peer_methods import KINDS, METHODS
from peer_page import page
from peer_rows import Row, add_row, read_rows
from peer_tables import FOLDS, HALVES, TABLES, n_rows
from tables import machine

HERE = Path(__file__).resolve().parent


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if not options.page:
        run(options)
    options.out.write_text(page(read_rows(options.results)), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=names, help="some, by name, with commas")
    parser.add_argument("--half", choices=HALVES, help="the tables of one half")
    parser.add_argument("--kind", choices=KINDS, help="classifiers or regressors only")
    parser.add_argument(
        "--methods", type=names, default=list(METHODS), help=f"of {','.join(METHODS)}"
    )
    parser.add_argument(
        "--repeats", type=int, default=2, help=f"how often {FOLDS} folds are drawn (2)"
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=FOLDS,
        help=f"how many of them are fitted ({FOLDS})",
    )
    parser.add_argument("--most-rows", type=int, help="leave out tables with more")
    parser.add_argument(
        "--longest",
        type=float,
        default=1800,
        help="seconds after which a fit is killed (1800)",
    )
    parser.add_argument("--minutes", type=float, help="begin no fit after so long")
    parser.add_argument(
        "--results",
        type=Path,
        default=HERE / "peers.csv",
        help="the CSV (benchmarks/peers.csv)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "peers.md",
        help="the page (benchmarks/peers.md)",
    )
    parser.add_argument(
        "--page", action="store_true", help="run nothing, write the page"
    )
    options = parser.parse_args()
    if unknown := set(options.methods) - set(METHODS):
        parser.error(
            f"no such method: {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}"
        )
    if unknown := set(options.tables or ()) - {
        name for halves in TABLES.values() for half in halves.values() for name in half
    }:
        parser.error(f"in neither half: {', '.join(sorted(unknown))}")
    return options


def run(options: argparse.Namespace) -> None:
    """Run all requested fits that are missing."""
    done = {row.key for row in read_rows(options.results)}
    asked = list(fits(options))
    fits_left = [
        fit
        for fit in asked
        if (fit.table, fit.repeat, fit.fold, fit.method) not in done
    ]
    say(f"{len(fits_left)} fits of {len(asked)} are left")
    fitter = Fitter(options.longest)
    processor, started = machine()["processor"], time.monotonic()
    try:
        for fit in fits_left:
            if (
                options.minutes is not None
                and time.monotonic() - started > options.minutes * 60
            ):
                say(f"{options.minutes:g} minutes are over")
                break
            outcome = fitter(fit)
            facts = {"version": METHODS[fit.method].version, "processor": processor}
            add_row(options.results, Row(**vars(fit), **facts, **outcome))
            figures = [
                f"{outcome[key]:.4g}"
                for key in ("log_loss", "rmse", "fit_seconds")
                if key in outcome
            ]
            say(
                f"{fit.table} {fit.repeat} {fit.fold} {fit.method}: {outcome.get('error') or ' '.join(figures)}"
            )
    finally:
        fitter.close()


def tables(options: argparse.Namespace, kind: str) -> list[str]:
    """From the smallest to the largest."""
    halves = (
        [TABLES[kind][options.half]] if options.half else list(TABLES[kind].values())
    )
    rows = {
        name: n_rows(name)
        for half in halves
        for name in half
        if not options.tables or name in options.tables
    }
    most = options.most_rows or max(rows.values(), default=0)
    return sorted(
        (name for name in rows if rows[name] <= most),
        key=lambda name: (rows[name], name),
    )


def fits(options: argparse.Namespace) -> Iterator[Fit]:
    names = {
        kind: tables(options, kind)
        for kind in ([options.kind] if options.kind else KINDS)
    }
    for threads in sorted({METHODS[method].threads for method in options.methods}):
        for repeat, (kind, of_kind) in product(range(options.repeats), names.items()):
            methods = [
                name
                for name in options.methods
                if METHODS[name].threads == threads and kind in METHODS[name].kinds
            ]
            for name, fold, method in product(of_kind, range(options.folds), methods):
                yield Fit(name, repeat, fold, method)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
