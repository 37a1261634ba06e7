"""docs/peers.md, from the lines of the CSV alone."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from peer_methods import METHODS
from peer_ranks import critical_difference, mean_ranks
from peer_rows import Row
from peer_tables import FOLDS, HALVES
from tables import Table, number

OURS, PLAIN = "seedbed", "logistic"
SCORES = {"log_loss": "log loss", "auc": "ROC AUC", "accuracy": "accuracy"}

INTRO = """\
# How good is the classifier?

`SeedbedClassifier()` and {others} other classifiers, each with the defaults of its library, on {tables} real tables.
All use the same {folds} folds per repeat and one thread{processor}.

Each rank is by the score that its column names; 1 is the best, and methods are sorted by log loss. seedbed is fitted
and chosen by log loss, so that column favours it over methods that choose by errors
([limits](#limits-of-this-comparison)).

The defaults of seedbed were chosen on the *deciding* half of the tables. The *confirming* half isn't wholly untouched:
it was run once before the rule that chooses the epoch was changed (tables of the deciding half decided), and a trial on
adult suggested how bins treat frequent values. No setting was kept for its result on that half.

`make peers` runs missing fits and writes this page; `python benchmarks/peers.py --help` lists its options. Every fit
is a line of `benchmarks/peers.csv`."""

CAVEATS = """\
## Limits of this comparison

- Defaults only. Tuning improves all methods, some much more than others.
- seedbed averages several networks. RealMLP-TD and TabM-D in pytabkit hold back a fifth of the rows and keep the epoch
  with the fewest errors there. So they learn from fewer rows, and their log loss ranks lower than their ROC AUC and
  accuracy. TabM-D stops after 16 epochs without an improvement, which is early on a small table; RealMLP-TD smooths the
  labels. pytabkit can average five of them (`n_cv=5`) in five times the time; that isn't its default.
- Log loss is in nats, with probabilities of at least {tiniest:g}. With several classes, ROC AUC is the mean over
  one-versus-rest; a class without training rows gets probability 0.
- Text is a category, and so are codes that the index of the tables names. Methods that accept missing cells get them;
  the others get medians and flags. The logistic regression, the forest and MLPClassifier also get standardised numbers
  and one-hot levels. The regression may take 1,000 steps; all other settings are defaults.
- Tables are used as published: some have columns that leak the outcome (heart_failure, bank_marketing), some have
  copies of rows in several folds (kc1, mammography, spambase, wine_quality), and electricity is ordered in time. All
  methods gain from that, and those that memorise gain more.
- Most tables are small. Folds overlap, so the mean of a table is less certain than its number of folds suggests. The
  ranks count each table once.
- Seconds are of one thread and include a method's own choice of settings, but not imports and a first, tiny fit. Other
  programs may have run at the same time.
"""


class Results:
    """The lines that have figures, and which repeats of which method are whole."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self._folds: dict[tuple[str, str], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in sorted(self.rows, key=lambda row: row.key):
            if not row.error:
                self._folds[row.table, row.method][row.repeat].append(row)
        present = {row.method for row in self.rows}
        self.methods = [method for method in METHODS if method in present]

    def repeats(self, table: str, methods: Iterable[str]) -> list[int]:
        """The repeats of which all the methods have all folds."""
        whole = [
            {repeat for repeat, rows in self._folds[table, method].items() if len(rows) == FOLDS} for method in methods
        ]
        return sorted(set.intersection(*whole)) if whole else []

    def folds(self, table: str, method: str, repeats: Iterable[int]) -> list[Row]:
        return [row for repeat in repeats for row in self._folds[table, method][repeat]]

    def mean(self, table: str, method: str, repeats: Iterable[int], score: str) -> float:
        return statistics.fmean(getattr(row, score) for row in self.folds(table, method, repeats))

    def median(self, table: str, method: str, repeats: Iterable[int], seconds: str) -> float:
        return statistics.median(getattr(row, seconds) for row in self.folds(table, method, repeats))

    def why_missing(self, table: str, method: str) -> str:
        own = [row for row in self.rows if (row.table, row.method) == (table, method)]
        errors = [row.error for row in own if row.error]
        return errors[0] if errors else "not run to the end" if own else "not run"


def page(rows: Sequence[Row]) -> str:
    from peer_fits import TINIEST

    results = Results(rows)
    parts = [intro(results)]
    for half, tables in HALVES.items():
        parts += [f"## The {half} half", *half_of(results, tables)]
    parts.append(CAVEATS.format(tiniest=TINIEST))
    return "\n\n".join(parts)


def intro(results: Results) -> str:
    processors = sorted({row.processor for row in results.rows if row.processor})
    return INTRO.format(
        others=len(METHODS) - 1,
        tables=sum(len(half) for half in HALVES.values()),
        folds=FOLDS,
        processor=f" on one core ({'; '.join(processors)})" if processors else "",
    )


def half_of(results: Results, tables: Sequence[str]) -> Iterator[str]:
    yield ranking(results, results.methods, tables)
    quick = finishers(results, tables)
    if len(counted(results, quick, tables)) > len(counted(results, results.methods, tables)):
        yield f"Without {labels(method for method in results.methods if method not in quick)}, on more tables:"
        yield ranking(results, quick, tables)
    yield worst_excess(results, tables)
    for score in ("log_loss", "auc"):
        yield scores_table(results, tables, score).markdown()


def finishers(results: Results, tables: Sequence[str]) -> list[str]:
    """The methods that have all folds wherever seedbed has, or the first one where seedbed hasn't been run."""
    measure = results.methods[:1]
    wanted = counted(results, measure, tables)
    return [method for method in results.methods if set(wanted) <= set(counted(results, [method], tables))]


def counted(results: Results, methods: Sequence[str], tables: Sequence[str]) -> list[str]:
    return [table for table in tables if results.repeats(table, methods)]


def ranking(results: Results, methods: Sequence[str], tables: Sequence[str]) -> str:
    """Mean ranks and seconds over the tables that all of the methods have finished."""
    used = counted(results, methods, tables)
    left_out = [table for table in tables if table not in used]
    if not used or len(methods) < 2:
        return f"No table has been finished by all yet. {reasons(results, methods, left_out)}"
    repeats = {table: results.repeats(table, methods) for table in used}
    ranks = {}
    for score in SCORES:
        values = [[results.mean(table, method, repeats[table], score) for method in methods] for table in used]
        ranks[score] = dict(zip(methods, mean_ranks(values, low_is_good=score == "log_loss"), strict=True))
    header = (
        *("method", *(f"rank by {label}" for label in SCORES.values())),
        *("fit, s", "predict, s", "times seedbed's fit", "version"),
    )
    rows = [
        (
            *(name_of(method), *(f"{ranks[score][method]:.2f}" for score in SCORES)),
            *seconds(results, method, repeats),
            versions(results, method, used),
        )
        for method in sorted(methods, key=lambda method: ranks["log_loss"][method])
    ]
    difference = critical_difference(len(methods), len(used))
    about = (
        f"Tables counted: {len(used)} of {len(tables)}. 1 is the best rank of {len(methods)}. Mean ranks less than "
        f"{difference:.2f} apart don't differ significantly (Nemenyi's test at 5%, Demšar 2006). Seconds are medians "
        "over tables of the median over a table's folds."
    )
    remarks = [about, significant(ranks, difference), reasons(results, methods, left_out)]
    return Table("Mean ranks", header, rows, [remark for remark in remarks if remark]).markdown()


def seconds(results: Results, method: str, repeats: Mapping[str, Sequence[int]]) -> tuple[str, str, str]:
    """To fit, to predict, and to fit in terms of seedbed's."""

    def of(one: str, what: str) -> list[float]:
        return [results.median(table, one, repeats[table], what) for table in repeats]

    fit, predict = of(method, "fit_seconds"), of(method, "predict_seconds")
    ratio = "-"
    if OURS in results.methods:
        ratio = number(statistics.median(a / b for a, b in zip(fit, of(OURS, "fit_seconds"), strict=True)))
    return number(statistics.median(fit)), number(statistics.median(predict)), ratio


def significant(ranks: Mapping[str, Mapping[str, float]], difference: float) -> str:
    """Which peers differ significantly from seedbed, by each score."""
    sentences = []
    for score, label in SCORES.items():
        if OURS not in ranks[score]:
            return ""
        gaps = {method: rank - ranks[score][OURS] for method, rank in ranks[score].items()}
        better = labels(method for method, gap in gaps.items() if gap < -difference)
        worse = labels(method for method, gap in gaps.items() if gap > difference)
        sentences.append(f"by {label}, better: {better or 'none'}, worse: {worse or 'none'}")
    return f"Significantly different from seedbed {'; '.join(sentences)}."


def reasons(results: Results, methods: Sequence[str], left_out: Sequence[str]) -> str:
    """Why tables aren't counted; those with the same reason together."""
    tables_of = defaultdict(list)
    for table in left_out:
        tables_of[reason(results, methods, table)].append(table)
    sentences = [f"{', '.join(tables)} ({why})" for why, tables in tables_of.items()]
    return f"Not counted: {'; '.join(sentences)}." if sentences else ""


def reason(results: Results, methods: Sequence[str], table: str) -> str:
    methods_of = defaultdict(list)
    for method in methods:
        if not results.repeats(table, [method]):
            methods_of[results.why_missing(table, method)].append(method)
    if not methods_of:
        return "no repeat has all folds of all"
    return "; ".join(f"{'all' if these == methods else labels(these)}: {why}" for why, these in methods_of.items())


def worst_excess(results: Results, tables: Sequence[str]) -> str:
    """Where seedbed's log loss is worst beside that of the plain regression."""
    both = (OURS, PLAIN)
    ratios = {}
    for table in counted(results, both, tables):
        repeats = results.repeats(table, both)
        ours, plain = (results.mean(table, method, repeats, "log_loss") for method in both)
        ratios[table] = ours / plain - 1
    if not ratios:
        return "seedbed hasn't been compared with the logistic regression here yet."
    worst = max(ratios, key=lambda table: ratios[table])
    share = f"{abs(ratios[worst]):.1%} {'above' if ratios[worst] > 0 else 'below'}"
    return (
        f"Beside the logistic regression, seedbed's log loss is worst on {worst}: {share} it. It is above it on "
        f"{sum(ratio > 0 for ratio in ratios.values())} of {len(ratios)} tables."
    )


def scores_table(results: Results, tables: Sequence[str], score: str) -> Table:
    """Means over the folds that all who finished a table have; the best are bold."""
    lines = []
    for table in tables:
        finished = [method for method in results.methods if results.repeats(table, [method])]
        if not (repeats := results.repeats(table, finished)):
            continue
        texts = {method: f"{results.mean(table, method, repeats, score):.4f}" for method in finished}
        best = (min if score == "log_loss" else max)(texts.values(), key=float)
        cells = [f"**{text}**" if text == best else text for text in (texts.get(one, "-") for one in results.methods)]
        rows = results.folds(table, finished[0], repeats)[0].rows
        lines.append((table, f"{rows:,}", *cells, str(len(repeats) * FOLDS)))
    header = ("table", "rows", *(METHODS[method].label for method in results.methods), "folds")
    return Table(f"{SCORES[score][0].upper()}{SCORES[score][1:]}", header, lines)


def versions(results: Results, method: str, tables: Sequence[str]) -> str:
    found = {row.version for row in results.rows if row.method == method and row.table in tables}
    return ", ".join(sorted(found))


def labels(methods: Iterable[str]) -> str:
    return ", ".join(METHODS[method].label for method in methods)


def name_of(method: str) -> str:
    return f"**{METHODS[method].label}**" if method == OURS else METHODS[method].label
