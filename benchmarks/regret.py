"""Is the recommendation a good decision? Rules that choose a model are compared by what their choice costs on new rows.

python benchmarks/regret.py --draws 100 --cache build/regret   every table, written to docs/regret.md
python benchmarks/regret.py --tables phoneme --out -           one, printed

Each draw takes 300 rows of a real table as if they were the user's; the other rows show how good each model is. The
models are cheap enough for hundreds of draws: predicting the class frequencies, logistic regression, boosted trees, and
means of ten networks whose hidden layer is random. They are compared with 3 x 10 folds, the networks with 5 seeds.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from coverage import FOLDS, NETWORKS, Floats, Learner, population, predictions, stratified
from real_tables import stem, tables
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier
from tables import Table, print_or_write

from seedbed.evaluation import Estimate, corrected_t, ensemble_losses, fold_differences, margin_beside, seed_noise
from seedbed.evaluation.ranking import advise, separated
from seedbed.evaluation.verdicts import judge_all

ROWS, REPEATS, MOST_FRESH = 300, 3, 5000
UNITS = {"small network": 20, "large network": 60}
NAMES = ("prior", "logistic", "trees", *UNITS)
SIMPLEST = ("prior", "logistic", "small network", "large network", "trees")
TABLES = (
    *("adult", "bank_churn", "bank_marketing", "electricity", "kc1"),
    *("phoneme", "sick", "spambase", "telco_churn", "wine_quality"),
)


def predicted(name: str, X: Floats, y: Floats, fresh: Floats, rng: np.random.Generator) -> Floats:
    """Return the probabilities [seed, row] of fresh rows by a model that is trained on X, y."""
    if name == "prior":
        return np.full((1, len(fresh)), y.mean())
    if name == "trees":
        trees = GradientBoostingClassifier(n_estimators=50, max_depth=2, random_state=0).fit(X, y)
        return trees.predict_proba(fresh)[None, :, 1]
    if name in UNITS:
        return predictions(Learner(name, UNITS[name]), X, y, fresh, rng)
    Z = np.hstack([X, np.ones((len(X), 1))])
    w, penalty = np.zeros(Z.shape[1]), np.diag([1.0] * X.shape[1] + [1e-6])
    for _ in range(8):
        p = expit(Z @ w)
        w += np.linalg.solve(Z.T @ (Z * (p * (1 - p))[:, None]) + penalty, Z.T @ (y - p) - penalty @ w)
    return expit(fresh @ w[:-1] + w[-1])[None]


def draw(X: Floats, y: Floats, number: int, salt: int) -> dict[str, Floats]:
    """Return the losses of one draw, for each model: out of fold [repeat, fold, seed], and "true NAME"."""
    rng = np.random.default_rng([salt, number])
    order = rng.permutation(len(y))
    own, rest = order[:ROWS], order[ROWS : ROWS + MOST_FRESH]
    found: dict[str, Floats] = {}
    folds = [stratified(y[own], rng) for _ in range(REPEATS)]
    for name in NAMES:
        values = [
            [
                loss(y[own[fold == k]], predicted(name, X[own[fold != k]], y[own[fold != k]], X[own[fold == k]], rng))
                for k in range(FOLDS)
            ]
            for fold in folds
        ]
        found[name] = np.array(values)
        found[f"true {name}"] = loss(y[rest], predicted(name, X[own], y[own], X[rest], rng)).mean()
    found["mean"] = y[own].mean()
    return found


def loss(y: Floats, p: Floats) -> Floats:
    """Return the Brier score [seed] whose mean is that of the mean of networks."""
    return ensemble_losses("brier", y, p, networks=NETWORKS).mean(axis=1)


def draws(path: Path, number: int, cache: Path) -> list[dict[str, Floats]]:
    """Return so many draws of a table; those that are in the cache are read."""
    kept = cache / f"{stem(path)}.npz"
    found: dict[str, Floats] = {}
    if kept.exists():
        with np.load(kept) as file:
            found = dict(file)
    there = len(found["mean"]) if found else 0
    if there < number:
        X, y = population(path)
        more = [draw(X, y, one, zlib.crc32(stem(path).encode())) for one in range(there, number)]
        for key in more[0]:
            new = np.stack([one[key] for one in more])
            found[key] = np.concatenate([found[key], new]) if there else new
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **found)
    return [{key: value[one] for key, value in found.items()} for one in range(number)]


def margin_of(losses: Mapping[str, Floats]) -> float:
    """Return the default margin of a draw, in units of the Brier score."""
    usual = 0.02 * float(losses["mean"]) * (1 - float(losses["mean"]))
    return margin_beside("brier", usual, float(losses["small network"].mean())).value


Rule = Callable[[Mapping[str, Floats]], str]
"""From the losses of a draw to the chosen model."""


def seedbed(losses: Mapping[str, Floats]) -> str:
    """Choose what the recommendation names."""
    of, reference = {name: losses[name] for name in NAMES}, "small network"
    margin = margin_of(losses)

    def estimate(one: str, other: str) -> Estimate:
        pair, n = (of[one], of[other]), 1 if "prior" in (one, other) else len(NAMES) - 2
        return corrected_t(fold_differences(*pair), seed_noise=seed_noise(*pair), comparisons=n)

    estimates = {(reference, name): estimate(reference, name) for name in NAMES if name != reference}
    verdicts = judge_all(of, estimates, metric="brier", margin=margin, n_rows=ROWS)
    means = dict(sorted(((name, float(value.mean())) for name, value in of.items()), key=lambda item: item[1]))

    def differences(name: str, others: Sequence[str]) -> list[tuple[float, float, float]]:
        return [(one.low, one.high, one.p) for one in (estimate(name, other) for other in others)]

    apart = separated(list(means), verdicts, differences, margin=margin, alpha=0.05)
    found = advise(means, apart, UNITS, margin=margin)
    assert found is not None
    return found.use


def lowest(losses: Mapping[str, Floats]) -> str:
    """Choose the model with the lowest cross-validated score."""
    return min(NAMES, key=lambda name: losses[name].mean())


def one_standard_error(losses: Mapping[str, Floats]) -> str:
    """Choose the simplest model within one standard error of the best one (Breiman et al. 1984), from one run."""
    best = losses[lowest(losses)][0].mean(axis=1)
    most = best.mean() + best.std(ddof=1) / np.sqrt(FOLDS)
    return next(name for name in SIMPLEST if losses[name][0].mean() <= most)


RULES: dict[str, Rule] = {
    "seedbed": seedbed,
    "lowest score": lowest,
    "one standard error": one_standard_error,
    "always logistic regression": lambda losses: "logistic",
    "always boosted trees": lambda losses: "trees",
}

INTRO = """\
# What does the recommendation cost?

Each draw takes {rows} rows of a real table as if they were all that a user has. A rule chooses one of five models by
what {repeats} x {folds} folds show. The other rows (up to {fresh:,}) show how good each model is, trained on the drawn
rows. The **regret** of a choice is its Brier score there minus that of the best of the five, times 1,000. The models
are cheap ones: predicting the class frequencies, logistic regression, boosted trees of depth 2, and means of ten
networks with 20 and 60 random tanh units and a fitted last layer.

- seedbed: the [recommendation](verdicts.md#which-model-to-use). It prefers a simpler model within the margin.
- lowest score: the lowest cross-validated Brier score.
- one standard error: the simplest model within one standard error of that, from one run of ten folds.

seedbed's rule costs a little more than the lowest score where it prefers a simpler model. Its former rule recommended
nothing if neither the best model nor the best network was shown to be better than predicting the class frequencies. On
the first 20 draws of each table that happened in 25 % (bank_marketing: 60 %), and the mean regret was 2.05 if the user
took the model that was named as the best guess then, and 6.72 if the user predicted the class frequencies.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=["*"], help="names or patterns")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path("build/regret"))
    parser.add_argument("--out", type=Path, default=Path("docs/regret.md"), help="a file, or - to print")
    options = parser.parse_args()
    rows, means = [], dict.fromkeys(RULES, 0.0)
    margins = []
    for path in tables():
        name = stem(path)
        if name not in TABLES or not any(fnmatch.fnmatchcase(name, one) for one in options.tables):
            continue
        started = time.perf_counter()
        found = draws(path, options.draws, options.cache)
        best = np.array([min(one[f"true {model}"] for model in NAMES) for one in found])
        margins.append(1000 * np.mean([margin_of(one) for one in found]))
        cells = []
        for rule, choose in RULES.items():
            regret = 1000 * float(np.mean([one[f"true {choose(one)}"] for one in found] - best))
            means[rule] += regret
            cells.append(f"{regret:.2f}")
        rows.append((name, *cells, f"{margins[-1]:.2f}"))
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    rows.append(("**mean**", *(f"{value / len(rows):.2f}" for value in means.values()), f"{np.mean(margins):.2f}"))
    remark = f"{options.draws} draws of each table. Made by `python benchmarks/regret.py`."
    table = Table("Mean regret, Brier score x 1,000", ("table", *RULES, "margin"), rows, [remark])
    text = INTRO.format(rows=ROWS, repeats=REPEATS, folds=FOLDS, fresh=MOST_FRESH) + f"\n{table.markdown()}\n"
    print_or_write(text, options.out)


if __name__ == "__main__":
    main()
