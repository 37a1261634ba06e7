"""benchmarks/peers.md, from the lines of the CSV alone."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from peer_methods import KINDS, METHODS
from peer_ranks import critical_difference, elo, improvability, mean_ranks
from peer_rows import Row
from peer_tables import FOLDS, TABLES
from scipy import stats
from tables import Table, number

import seedbed as sb

OURS, FOREST = "seedbed", "forest"
USUAL = tuple(name for name, method in METHODS.items() if method.threads == 1)
MINUTE = (
    "seedbed_60",
    "catboost_60",
    "autogluon_60",
    "seedbed",
    "catboost",
    "autogluon",
    FOREST,
)
PLAIN = {"Classifier": "logistic", "Regressor": "ridge"}
SCORES = {
    "Classifier": {"log_loss": "log loss", "auc": "ROC AUC", "accuracy": "accuracy"},
    "Regressor": {"rmse": "RMSE"},
}
HIGH_IS_GOOD = ("auc", "accuracy")
FEWEST = 5  # tables, for a verdict over them and a ranking by the first fold
ENDLESS = 1500  # points of difference, of which the likelihood says nothing else than that they are many

INTRO = """\
# The estimators beside other libraries: all tables

`SeedbedClassifier()` and `SeedbedRegressor()` beside other libraries, each with its defaults unless its name says
otherwise, on {classes} tables with classes and {numbers} with numbers to predict. All use the same {folds} folds per
repeat and one thread on one core{processor}; only methods with "60 s" in their name have both cores, for a minute.

- Each **rank** is by the score that its column names; 1 is the best, and methods are sorted by the first score. seedbed
  is fitted and chosen by log loss, so that column favours it over methods that choose by errors
  ([limits](#limits-of-this-comparison)).
- **Elo** ratings and **improvability** are defined as in TabArena (Erickson et al. 2025), by the first score. Each pair
  of methods plays once on each table, and the random forest has 1000; in brackets is the 95 % interval of 200 bootstrap
  samples of the tables. Improvability is by how much of its error a method is above the best method of the ranking,
  averaged over tables: 0 % is best on each table.
- A table counts in a ranking if all of its methods have finished whole repeats of {folds} folds. Slow methods have been
  run on the **first fold** of the first repeat only. They have rankings of their own, in which that fold alone counts
  for all methods. A single fold says little about a table, but many tables say something together. Most methods have
  two repeats on tables of fewer than 1,500 rows, which count in verdicts and in rankings of these methods alone.
- {foundation}

The defaults of seedbed were chosen on the *deciding* half of the tables. The *confirming* half isn't wholly untouched:
it was run once before the rule that chooses the epoch was changed (tables of the deciding half decided), a trial on
adult suggested how bins treat frequent values, and single splits of wine_quality and adult had shown that trees might
help before the deciding half showed it. It was run once more when trees had become members, and again when tables of
fewer than 1,500 rows got small ones, for this page. No setting was kept for its result on that half.

`make peers` runs missing fits and writes this page; `python benchmarks/peers.py --help` lists its options. Every fit
is a line of `benchmarks/peers.csv`."""

FOUNDATION = """\
TabPFN and TabICL are missing, as their weights must be downloaded and weren't at hand; therefore this page doesn't
  claim that any of its methods leads the field."""

MINUTES = """\
## A minute on both cores

seedbed (`time_limit=60`), tuned CatBoost and AutoGluon (`best_quality`, `time_limit=60`) on both cores, beside methods
with their defaults on one core. Tables of both halves are counted together, by the first fold only. On twelve tables of
the confirming half, seedbed and AutoGluon had both cores of an Intel Xeon, with little else running. AutoGluon on the
deciding half, and the tuned CatBoost, had about half a core each of an AMD EPYC, as other programs ran beside them."""

CAVEATS = """\
## Limits of this comparison

- Mostly defaults. Tuning improves all methods, some much more than others.
- seedbed averages several networks. RealMLP-TD and TabM-D in pytabkit hold back a fifth of the rows and keep the epoch
  with the fewest errors there. So they learn from fewer rows, and their log loss ranks lower than their ROC AUC and
  accuracy. TabM-D stops after 16 epochs without an improvement, which is early on a small table; RealMLP-TD smooths the
  labels. "Five" are the ensembles of pytabkit (`n_cv=5`), which aren't its default.
- AutoGluon chooses by log loss, or RMSE, instead of its default, accuracy; it has LightGBM, CatBoost, XGBoost, fastai
  and its other usual models, but not Ray. The tuned CatBoost draws settings at random, fits each to five inner folds,
  and averages the five models of the best draw.
- Log loss is in nats, with probabilities of at least {tiniest:g}. With several classes, ROC AUC is the mean over
  one-versus-rest; a class without training rows gets probability 0.
- Hardly any of the tables has a number as its target, so the targets of regressors are columns of these tables, named
  after the colon, and labels are features. They are standardised, so that an RMSE of 1 is that of predicting the mean.
- Text is a category, and so are codes that the index of the tables names. Methods that accept missing cells get them;
  the others get medians and flags. The linear models, forests and MLPs of scikit-learn also get standardised numbers
  and one-hot levels. The logistic regression may take 1,000 steps.
- Tables are used as published: some have columns that leak the outcome (heart_failure, bank_marketing), some have
  copies of rows in several folds (kc1, mammography, spambase, wine_quality), and electricity is ordered in time. All
  methods gain from that, and those that memorise gain more.
- Most tables are small. Folds overlap, so the mean of a table is less certain than its number of folds suggests. The
  ranks count each table once.
- Seconds are of the processor for all regressors, extra trees and five RealMLP-TD, for AutoGluon on tables of more than
  1,400 rows, for second repeats, for the classifiers of seedbed, and for CatBoost on tables of up to 12,000 rows. All
  others are by the clock, and other programs ran beside some of them. They include a method's own choice of settings,
  but not imports and a first, tiny fit. Second repeats, seedbed, and CatBoost on tables of up to 12,000 rows ran on an
  Intel Xeon, most others on an AMD EPYC: compare their seconds with each other only roughly.
- Methods of `make peers` that haven't been run yet: {missing}.
- Versions: {versions}.
"""


class Results:
    """The fits of a kind that have figures and count: all of whole repeats, or the first folds of
    the first repeat."""

    def __init__(
        self,
        rows: Iterable[Row],
        kind: str,
        asked: Sequence[str] = USUAL,
        *,
        first: int = 0,
    ) -> None:
        names = {name for half in TABLES[kind].values() for name in half}
        self.rows = [row for row in rows if row.table in names and row.method in asked]
        self.kind, self.first, self.scores = kind, first, SCORES[kind]
        self.score = next(iter(self.scores))  # the one that decides
        fits: dict[tuple[str, str], dict[tuple[int, int], Row]] = defaultdict(dict)
        for row in self.rows:
            if not row.error:
                fits[row.table, row.method][row.repeat, row.fold] = row
        self._fits: dict[tuple[str, str], dict[tuple[int, int], Row]] = defaultdict(
            dict
        )
        for key, found in fits.items():
            repeats = [repeat for repeat, _ in found]
            folds = {(0, fold) for fold in range(first)}
            counts = folds or {
                split for split in found if repeats.count(split[0]) == FOLDS
            }
            if counts <= set(found):
                self._fits[key] = {split: found[split] for split in sorted(counts)}

    def methods(self, tables: Sequence[str]) -> list[str]:
        """Those that have finished any of the tables."""
        return [method for method in METHODS if self.counted([method], tables)]

    def splits(self, table: str, methods: Iterable[str]) -> list[tuple[int, int]]:
        """Repeats and folds that all the methods have."""
        return sorted(
            set.intersection(*(set(self._fits[table, method]) for method in methods))
        )

    def counted(self, methods: Sequence[str], tables: Sequence[str]) -> list[str]:
        return [table for table in tables if self.splits(table, methods)]

    def values(
        self, table: str, method: str, methods: Iterable[str], name: str
    ) -> list[float]:
        """Scores or seconds of a method, by the folds that all the methods have."""
        return [
            getattr(self._fits[table, method][split], name)
            for split in self.splits(table, methods)
        ]

    def errors(
        self, methods: Sequence[str], tables: Sequence[str], score: str
    ) -> list[list[float]]:
        """Means over folds [table, method], low is good."""
        means = [
            [
                statistics.fmean(self.values(table, one, methods, score))
                for one in methods
            ]
            for table in tables
        ]
        return (
            [[1 - mean for mean in row] for row in means]
            if score in HIGH_IS_GOOD
            else means
        )

    def why_missing(self, table: str, method: str) -> str:
        own = [row for row in self.rows if (row.table, row.method) == (table, method)]
        errors = [row.error for row in own if row.error]
        return errors[0] if errors else "not run to the end" if own else "not run"


def page(rows: Sequence[Row]) -> str:
    parts = [intro(rows)]
    for kind, halves in TABLES.items():
        for half, tables in halves.items():
            parts += [f"## {kind}s: the {half} half", *half_of(rows, kind, tables)]
    from peer_fits import TINIEST

    versions = ", ".join(sorted({row.version for row in rows if row.version}))
    missing = (
        labels(
            method for method in METHODS if method not in {row.method for row in rows}
        )
        or "none"
    )
    caveats = CAVEATS.format(tiniest=TINIEST, versions=versions, missing=missing)
    return "\n\n".join([*parts, *minute(rows), caveats])


def intro(rows: Sequence[Row]) -> str:
    tables = [
        sum(
            len({row.table for row in rows} & set(half))
            for half in TABLES[kind].values()
        )
        for kind in KINDS
    ]
    processors = sorted({row.processor for row in rows if row.processor})
    return INTRO.format(
        classes=tables[0],
        numbers=tables[1],
        folds=FOLDS,
        processor=f" ({', '.join(processors)})" if processors else "",
        foundation=FOUNDATION,
    )


def half_of(rows: Sequence[Row], kind: str, tables: Sequence[str]) -> Iterator[str]:
    whole, first = (Results(rows, kind, first=first) for first in (0, 1))
    yield from rankings(whole, tables, set())
    yield from rankings(first, tables, set(whole.methods(tables)))
    yield differences(whole, first, tables)
    yield worst_excess(whole, tables)
    for score in list(whole.scores)[:2] if whole.methods(tables) else ():
        yield scores_table(whole, tables, score).markdown()


def minute(rows: Sequence[Row]) -> Iterator[str]:
    results = Results(rows, "Classifier", MINUTE, first=1)
    names = [table for half in TABLES["Classifier"].values() for table in half]
    if tables := results.counted(MINUTE[:1], names):
        yield MINUTES
        yield ranking(results, results.methods(tables), tables)
        yield differences(results, results, tables, MINUTE[0])
        yield from first_two_folds(rows, (MINUTE[0], "autogluon_60"))


def first_two_folds(rows: Sequence[Row], both: tuple[str, str]) -> Iterator[str]:
    """On how many confirming tables one method's mean log loss of two folds is lower than the
    other's."""
    results = Results(rows, "Classifier", both, first=2)
    tables = results.counted(both, TABLES["Classifier"]["confirming"])
    if not tables:
        return
    lower, higher = [], []
    for table, (ours, theirs) in zip(
        tables, results.errors(both, tables, results.score), strict=True
    ):
        (lower if ours < theirs else higher).append(table)
    a, b = (METHODS[method].label for method in both)
    yield (
        f"On the first two folds together, the log loss of {a} is lower than that of {b} on {len(lower)} of "
        f"{len(tables)} tables of the confirming half: {', '.join(lower)}. It is higher on {', '.join(higher)}."
    )


def rankings(results: Results, tables: Sequence[str], known: set[str]) -> Iterator[str]:
    """First all methods on the tables that all have, then without those that have fewest tables,
    and so on.

    Rankings of known methods only are left out, and those by the first fold of fewer than five
    tables.
    """
    methods = results.methods(tables)
    sizes = {method: len(results.counted([method], tables)) for method in methods}
    fewest = FEWEST if results.first else 1
    for size in sorted(set(sizes.values())):
        asked = [method for method in methods if sizes[method] >= size]
        if (
            set(asked) <= known
            or len(asked) < 2
            or len(results.counted(asked, tables)) < fewest
        ):
            continue
        if left := [method for method in methods if method not in asked]:
            yield f"Without {labels(left)}, on more tables:"
        yield ranking(results, asked, tables)
    if not methods and not results.first:
        yield "No table has been finished yet."


def ranking(results: Results, methods: Sequence[str], tables: Sequence[str]) -> str:
    """Mean ranks, ratings and seconds over the tables that all of the methods have finished."""
    used = results.counted(methods, tables)
    left_out = [table for table in tables if table not in used]
    if not used:
        return f"No table has been finished by all yet. {reasons(results, methods, left_out)}"
    ranks = {
        score: dict(
            zip(methods, mean_ranks(results.errors(methods, used, score)), strict=True)
        )
        for score in results.scores
    }
    errors = results.errors(methods, used, results.score)
    above = dict(zip(methods, improvability(errors), strict=True))
    ratings = dict.fromkeys(methods, "-")
    if FOREST in methods:
        found = zip(methods, elo(errors, methods.index(FOREST)), strict=True)
        ratings = {
            method: "{} ({} to {})".format(*map(points, triple))
            for method, triple in found
        }
    ours = [OURS] if OURS in methods else []
    header = (
        *("method", *(f"rank by {label}" for label in results.scores.values())),
        *(
            "Elo",
            "improvability",
            "fit, s",
            "predict, s",
            *("times seedbed's fit" for _ in ours),
        ),
    )
    seconds = {
        name: {
            method: [
                statistics.median(results.values(table, method, methods, name))
                for table in used
            ]
            for method in methods
        }
        for name in ("fit_seconds", "predict_seconds")
    }
    fit = seconds["fit_seconds"]
    rows = [
        (
            *(
                name_of(method),
                *(f"{ranks[score][method]:.2f}" for score in results.scores),
            ),
            *(ratings[method], f"{above[method]:.1%}"),
            *(number(statistics.median(seconds[name][method])) for name in seconds),
            *(
                number(
                    statistics.median(
                        a / b for a, b in zip(fit[method], fit[one], strict=True)
                    )
                )
                for one in ours
            ),
        )
        for method in sorted(methods, key=lambda method: ranks[results.score][method])
    ]
    difference = critical_difference(len(methods), len(used))
    about = (
        f"Tables counted: {len(used)} of {len(tables)}. 1 is the best rank of {len(methods)}. Mean ranks less than "
        f"{difference:.2f} apart don't differ significantly (Nemenyi's test at 5%, Demšar 2006). Seconds are medians "
        "over tables of the median over a table's folds."
    )
    remarks = [
        about,
        shares(results, methods, used),
        significant(results, ranks, difference),
    ]
    remarks.append(reasons(results, methods, left_out))
    title = "Mean ranks, the first fold only" if results.first else "Mean ranks"
    return Table(
        title, header, rows, [remark for remark in remarks if remark]
    ).markdown()


def shares(results: Results, methods: Sequence[str], tables: Sequence[str]) -> str:
    """How much of the cores methods with several had, as other programs may have run."""
    found = []
    for method in methods:
        cores = [
            share
            for table in tables
            for share in results.values(table, method, methods, "cores")
            if share
        ]
        if METHODS[method].threads > 1 and cores:
            found.append(
                f"{METHODS[method].label} used {statistics.fmean(cores):.2f} of {METHODS[method].threads}"
            )
    return (
        f"Cores on average, beside other programs: {', '.join(found)}." if found else ""
    )


def significant(
    results: Results, ranks: Mapping[str, Mapping[str, float]], difference: float
) -> str:
    """Which peers differ significantly from seedbed, by each score."""
    sentences = []
    for score, label in results.scores.items():
        if OURS not in ranks[score]:
            return ""
        gaps = {
            method: rank - ranks[score][OURS] for method, rank in ranks[score].items()
        }
        better = labels(method for method, gap in gaps.items() if gap < -difference)
        worse = labels(method for method, gap in gaps.items() if gap > difference)
        sentences.append(
            f"by {label}, better: {better or 'none'}, worse: {worse or 'none'}"
        )
    return f"Significantly different from seedbed {'; '.join(sentences)}."


def reasons(results: Results, methods: Sequence[str], left_out: Sequence[str]) -> str:
    """Why tables aren't counted; those with the same reason together."""
    tables_of = defaultdict(list)
    for table in left_out:
        methods_of = defaultdict(list)
        for method in methods:
            if not results.splits(table, [method]):
                methods_of[results.why_missing(table, method)].append(method)
        whys = (
            f"{'all' if these == methods else labels(these)}: {why}"
            for why, these in methods_of.items()
        )
        tables_of["; ".join(whys) or "no repeat has all folds of all"].append(table)
    sentences = [f"{', '.join(tables)} ({why})" for why, tables in tables_of.items()]
    return f"Not counted: {'; '.join(sentences)}." if sentences else ""


def differences(
    whole: Results, first: Results, tables: Sequence[str], ours: str = OURS
) -> str:
    """The verdicts of `seedbed judge` on seedbed against each peer; of one fold, those over tables
    only."""
    peers = [method for method in first.methods(tables) if method != ours]
    rows = []
    for peer in peers:
        results = whole if len(whole.counted([ours, peer], tables)) >= FEWEST else first
        used = results.counted([ours, peer], tables)
        if len(used) < FEWEST:
            continue
        gains = []
        better = []
        worse = []
        for table in used:
            pair = [ours, peer]
            splits = results.splits(table, pair)
            scores: dict[str, list[object]] = {"repeat": [], "fold": [], "model": []}
            scores[results.score] = []
            for method in pair:
                values = results.values(table, method, pair, results.score)
                scores["repeat"] += [repeat for repeat, _ in splits]
                scores["fold"] += [fold for _, fold in splits]
                scores["model"] += [method] * len(splits)
                scores[results.score] += list(values)
            judgement = sb.judge(
                scores, reference=peer, score=results.score, tried=len(peers) - 1
            )
            summaries = judgement.to_dict()["candidates"]
            means = {
                one["name"]: one["scores"][results.score]["mean"] for one in summaries
            }
            if results.score in HIGH_IS_GOOD:
                gains.append(means[ours] - means[peer])
            else:
                gains.append(1 - means[ours] / means[peer])
            better += [table] if judgement.is_better(ours) else []
            worse += [table] if judgement.is_worse(ours) else []
        p = min(1.0, len(peers) * float(stats.wilcoxon(gains).pvalue))
        middle = statistics.median(gains)
        verdict = "can't tell"
        if p < 0.05:
            verdict = "better" if middle > 0 else "worse"
        by_table = (
            ("-", "-")
            if results.first
            else (str(len(better)), ", ".join(worse) or "none")
        )
        rows.append(
            (
                *(
                    METHODS[peer].label,
                    str(len(used)),
                    *by_table,
                    f"{middle:+.1%}",
                ),
                *(f"{p:.2g}", verdict),
            )
        )
    if not rows:
        return f"No peer shares {FEWEST} tables with seedbed yet."
    label = whole.scores[whole.score]
    header = (
        "peer",
        "tables",
        "shown better on",
        "shown worse on",
        "median gain",
        "p",
        "verdict over tables",
    )
    remark = (
        f"Verdicts of [`seedbed judge`](../docs/judge.md) on the {label} of {METHODS[ours].label} against each peer's. "
        "The verdict on a table is by the corrected t-test over its folds; a dash: one fold only, which has none. The "
        "verdict over tables is by Wilcoxon's signed-rank test of gains as shares of the peer's error. All are "
        "corrected for the number of peers."
    )
    return Table("Where seedbed and a peer differ", header, rows, [remark]).markdown()


def worst_excess(results: Results, tables: Sequence[str]) -> str:
    """Where seedbed's error is worst beside that of the plain regression."""
    both = (OURS, PLAIN[results.kind])
    label, plain = results.scores[results.score], METHODS[both[1]].label
    used = results.counted(both, tables)
    ratios = {
        table: ours / plain - 1
        for table, (ours, plain) in zip(
            used, results.errors(both, used, results.score), strict=True
        )
    }
    if not ratios:
        return f"seedbed hasn't been compared with the {plain} here yet."
    worst = max(ratios, key=lambda table: ratios[table])
    share = f"{abs(ratios[worst]):.1%} {'above' if ratios[worst] > 0 else 'below'}"
    return (
        f"Beside the {plain}, seedbed's {label} is worst on {worst}: {share} it. It is above it on "
        f"{sum(ratio > 0 for ratio in ratios.values())} of {len(ratios)} tables."
    )


def scores_table(results: Results, tables: Sequence[str], score: str) -> Table:
    """Means over the folds that all who finished a table have; the best are bold."""
    methods, lines = results.methods(tables), []
    for table in tables:
        finished = [method for method in methods if results.splits(table, [method])]
        if not finished or not (splits := results.splits(table, finished)):
            continue
        values = {
            method: results.values(table, method, finished, score)
            for method in finished
        }
        texts = {
            method: f"{statistics.fmean(values[method]):.4f}" for method in finished
        }
        best = (max if score in HIGH_IS_GOOD else min)(texts.values(), key=float)
        cells = [
            f"**{text}**" if text == best else text
            for text in (texts.get(one, "-") for one in methods)
        ]
        (rows,) = {
            row.rows
            for row in results.rows
            if (row.table, row.method) == (table, finished[0])
        }
        lines.append((table, f"{rows:,}", *cells, str(len(splits))))
    header = ("table", "rows", *(METHODS[method].label for method in methods), "folds")
    label = results.scores[score]
    return Table(f"{label[0].upper()}{label[1:]}", header, lines)


def points(rating: float) -> str:
    """Ends of intervals are infinite where a bootstrap sample has a method that wins or loses
    everything."""
    return (
        f"{rating:.0f}" if abs(rating - 1000) < ENDLESS else "∞" if rating > 0 else "-∞"
    )


def labels(methods: Iterable[str]) -> str:
    return ", ".join(METHODS[method].label for method in methods)


def name_of(method: str) -> str:
    return f"**{METHODS[method].label}**" if method == OURS else METHODS[method].label
