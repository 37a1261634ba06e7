"""The answers that readers want first: which model to use, how sure that is, what to expect, what would settle it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from seedbed.errors import counted
from seedbed.evaluation.metrics import METRICS, Metric, known_metric, measure, plain_number
from seedbed.evaluation.ranking import Advice
from seedbed.evaluation.summaries import Conclusion, DecidingScore, Score
from seedbed.evaluation.verdicts import Verdict, count_range

_MOST_NAMED = 6  # as many as the default comparison has beside the prior
_NEARLY_ALL = 0.985  # from here on, 1,000 rows are named, since all of 100 would be right
_RARE = 0.1  # of the rows
_TOO_MANY = 10_000_000  # rows
_NARROW = 0.03  # a range of so few points has a decimal
_HARDLY = 0.9  # of an interval's width: a longer run that leaves more than that won't help


def answers(conclusion: Conclusion) -> list[tuple[str, str]]:
    """Return the answers as (label, text): *Use*, *Network*, *How sure*, *Expect*, *To settle*.

    A label without an answer is left out. Without verdicts no model is recommended.
    """
    advice, ranking = conclusion.advice, conclusion.ranking
    if advice is not None:
        pairs = [
            ("Use", _use(conclusion, advice)),
            ("Network", _network(conclusion, advice)),
            ("How sure", _how_sure(conclusion, advice)),
            ("Expect", _expect(conclusion, advice.use)),
            ("To settle", _settling(conclusion, advice.use)),
        ]
    else:
        alone = len(conclusion.candidates) == len(ranking) == 1
        pairs = [("How sure", _limits(conclusion)), ("Expect", _expect(conclusion, ranking[0]) if alone else iter(()))]
    texts = [(label, "; ".join(parts)) for label, parts in pairs]
    return [(label, text) for label, text in texts if text]


def deciding(conclusion: Conclusion) -> Metric:
    """Return the score that decides; R2 for the squared error: a difference is the same in both, and R2 is better
    known."""
    name = conclusion.metric.name
    if name == "squared_error" and all("r2" in candidate.scores for candidate in conclusion.candidates):
        return METRICS["r2"]
    return replace(known_metric(name), words=conclusion.metric.words)


def recommended(conclusion: Conclusion) -> set[str]:
    """Return the models that the answers *Use* and *Network* name."""
    advice = conclusion.advice
    if advice is None:
        return set()
    return {advice.use, *([advice.network] if any(_network(conclusion, advice)) else [])}


def _use(conclusion: Conclusion, advice: Advice) -> Iterator[str]:
    metric = conclusion.metric
    best, use = advice.best, advice.use
    rivals = {rival.reference: rival for rival in conclusion.rivals}
    if use == "prior":
        did = "did" if rivals else "is shown to do"
        yield f"no model: none {did} better than {guessing(conclusion)}"
    elif use != best:
        small = best in rivals and abs(rivals[best].difference) <= metric.margin
        lead = f"{'small ' * small}lead"
        if any(_network(conclusion, advice)):
            yield f"{use}: no network is needed, as the {lead} of {best} may be chance"
        else:
            yield f"{use}: simpler than {best}, whose {lead} may be chance"
    elif not rivals:
        others = [name for name in conclusion.ranking if name != use]
        yield f"{use}: shown to be better than {others[0] if len(others) == 1 else 'all others'}"
    else:
        score = deciding(conclusion)
        extreme = "highest" if score.greater_is_better else "lowest"
        no_practical_difference = all(rival.rule == "no_practical_difference" for rival in rivals.values())
        nearest = next(iter(_open_rivals(conclusion)), "")
        lead = (
            "by a lead too small to matter" if no_practical_difference else f"but its lead over {nearest} may be chance"
        )
        yield f"{use}: the {extreme} {score.words}, {lead}"
    if advice.guess:
        yield f"it isn't shown to be better than {guessing(conclusion)}"


def _network(conclusion: Conclusion, advice: Advice) -> Iterator[str]:
    """Yield the network to take where the recommended model is none."""
    use, network = advice.use, advice.network
    if not has_networks(conclusion) or use == "auto" or conclusion.candidate(use).kind == "network":
        return
    if advice.no_gain and not advice.guess:
        yield f"{network}, but it isn't shown to be better than {guessing(conclusion)}"
        return
    open_to_use = [rival.reference for rival in conclusion.rivals]
    yield f"{network}, if it must be one"
    yield "no network is shown to be better" if network in open_to_use else f"{use} is shown to be better"


def _how_sure(conclusion: Conclusion, advice: Advice) -> Iterator[str]:
    use, rivals = advice.use, _open_rivals(conclusion)
    network = not any(_network(conclusion, advice))
    if use == "prior":
        if rivals:
            yield f"can't tell whether {listed(rivals, _MOST_NAMED, 'or')} is better than that"
    else:
        names = _perhaps_best(conclusion, {use, *rivals} - {"prior"} - learnt_nothing(conclusion))
        names = sorted(names, key=lambda name: name != use)  # which keeps the order of the others
        if len(names) > 1:
            yield f"can't tell which is best of {listed(names, _MOST_NAMED)}"
        baselines = {candidate.name for candidate in conclusion.candidates if candidate.kind == "baseline"} - {"auto"}
        if network and baselines & set(names):
            yield "a network may not be needed"
        if equals := [rival.reference for rival in conclusion.rivals if rival.reference not in rivals]:
            yield f"there is no difference that matters between {listed([use, *equals], _MOST_NAMED)}"
    if not conclusion.rivals:
        tables = f"one table in {round(1 / conclusion.alpha)}"
        yield f"if the models were equally good, at most {tables} would show such a lead"
    yield from _limits(conclusion)


def _limits(conclusion: Conclusion) -> Iterator[str]:
    """Yield what was left out: rows, repeats, or baselines."""
    plan = conclusion.plan
    if plan.sample_of:
        rows = f"{conclusion.n_rows:,} of {plan.sample_of:,} rows"
        yield f"this is a sample of {rows}, and all rows may change any of this"
    if is_first_look(conclusion) or plan.sample_of:
        yield f"a first look with {counted(plan.repeats, 'repeat')}: run it without 'quick' before you rely on it"
    if has_networks(conclusion) and not any(candidate.kind == "baseline" for candidate in conclusion.candidates):
        yield "no baseline was compared, so this doesn't show whether a network is needed"


def _open_rivals(conclusion: Conclusion) -> list[str]:
    """Return the models that may be better or worse than the recommended one, best first."""
    return [rival.reference for rival in conclusion.rivals if rival.rule != "no_practical_difference"]


def _perhaps_best(conclusion: Conclusion, names: set[str]) -> list[str]:
    """Return those that aren't shown to be worse than a model before them in the ranking."""
    ranking, groups = conclusion.ranking, [set(group) for group in conclusion.brackets]
    return [
        name
        for place, name in enumerate(ranking)
        if name in names and all(any({place, better} <= group for group in groups) for better in range(place))
    ]


def _expect(conclusion: Conclusion, name: str) -> Iterator[str]:
    """Yield which scores to expect on new rows."""
    scores = next(candidate.scores for candidate in conclusion.candidates if candidate.name == name)
    metric, deciding = conclusion.metric, scores[conclusion.metric.name]
    if conclusion.kind == "judgement" and deciding.mean is not None and not _known(deciding):
        score = measure(metric.name, deciding.mean)
        yield f"{metric.words} {score}; its interval isn't known, as all splits have this score"
        return
    if conclusion.task == "regression" and "r2" in scores:
        for key in ("r2", "mae"):
            if _known(scores[key]):
                unit = f", in units of {conclusion.target}" if METRICS[key].own_units else ""
                yield f"{METRICS[key].words} {_range(key, scores[key], conclusion)}{unit}"
        return
    if "accuracy" not in scores:  # the scores of a file, or of random splits
        if _known(deciding):
            yield f"{metric.words} {_range(metric.name, deciding, conclusion)}"
        return
    if label := rare_label(conclusion):
        if _known(scores["recall"]):
            rows = f"the rows with {conclusion.target} {label}"
            yield f"finds on average {_in_percent(scores['recall'], conclusion)} of {rows}"
        if _known(scores["roc_auc"]):
            yield f"ROC AUC {_range('roc_auc', scores['roc_auc'], conclusion)}"
        return
    accuracy, top = scores["accuracy"], conclusion.top
    if conclusion.metric.name == "accuracy" and top and top.winner == name:  # it was chosen by this score
        accuracy = Score(top.expected, top.low, top.high)
    if accuracy.mean is not None and accuracy.low is not None and accuracy.high is not None:
        yield f"average accuracy {_in_percent(accuracy, conclusion)}"
        for of in (100, 1000):
            low, high = count_range(accuracy.mean, accuracy.low, accuracy.high, of=of, alpha=conclusion.alpha)
            if low < of * _NEARLY_ALL or of == 1000:
                yield f"of the next {of:,} rows {low:,} to {high:,} right"
                break


def _known(score: Score) -> bool:
    """Return whether a score has an interval."""
    return score.low is not None and score.high is not None


def _in_percent(score: Score, conclusion: Conclusion) -> str:
    mean, low, high = (100 * (value or 0.0) for value in (score.mean, score.low, score.high))
    decimals = 0 if high - low >= 100 * _NARROW else 1
    return f"{mean:.1f}% ({_level(conclusion)} interval {low:.{decimals}f} to {high:.{decimals}f})"


def _range(name: str, score: Score, conclusion: Conclusion) -> str:
    mean, *ends = (measure(name, value or 0.0, score.mean) for value in (score.mean, score.low, score.high))
    return f"{mean} ({_level(conclusion)} interval {ends[0]} to {ends[1]})"


def _level(conclusion: Conclusion) -> str:
    return f"{100 * (1 - conclusion.alpha):g}%"


def rare_label(conclusion: Conclusion) -> str:
    """Return the rarer of two labels if it has less than a tenth of the rows, else an empty text.

    Predicting the other label is then right in over nine rows of ten, so accuracy says little.
    """
    if conclusion.task != "binary" or (conclusion.majority_share or 0.0) <= 1 - _RARE:
        return ""
    if not all("recall" in candidate.scores for candidate in conclusion.candidates):
        return ""
    return min(conclusion.labels, key=lambda label: conclusion.labels[label])


def _settling(conclusion: Conclusion, use: str) -> Iterator[str]:
    """Yield how many rows, or whether a longer run, would decide between the recommended model and its next rival.

    The rival is predicting the same for every row if even that is open, else the best of those that aren't shown to
    differ. Neither answer depends on the difference that was measured: it would recommend another look where that
    favours a result.
    """
    open_rivals = _open_rivals(conclusion)
    if not open_rivals:
        unfinished = any(check.code == "under_trained" for check in conclusion.checks)
        if is_first_look(conclusion):
            yield from ("nothing in this first look", "a full run makes it reliable")
        else:
            yield f"nothing{' for networks trained like this' if unfinished else ''}"
            yield f"more rows{' or a longer run' * has_networks(conclusion)} aren't needed"
        return
    rival = "prior" if "prior" in open_rivals else open_rivals[0]
    if untrained := sorted(learnt_nothing(conclusion) & {use, rival}):
        they = "they have" if len(untrained) > 1 else "it has"
        yield f"first train {listed(untrained)} until {they} learnt something"
        return
    verdict = next(one for one in conclusion.rivals if one.reference == rival)
    n, all_rows = conclusion.n_rows or 0, conclusion.plan.sample_of
    needed = 2 * verdict.rows_needed[0] if verdict.rows_needed else math.inf  # between half and double
    rows = f"about {plain_number(needed, 2)} rows in all" if needed > n else f"somewhat more than {n:,} rows"
    if not n:
        rows = f"about {plain_number(max(1.0, verdict.rows_factor), 2)} times as many rows"
    elif needed > _TOO_MANY:
        rows = f"over {_TOO_MANY:,} rows"
    size = margin_words(conclusion.metric)
    what = f"show a true difference of {size} (the margin) between {use} and {rival}"
    longer, may_do = _longer_run(conclusion, verdict)
    if may_do:
        yield f"{longer} may {what}"
        return
    yield f"{rows} would {what} four times in five"
    if n:
        yield f"the table has {all_rows:,}" if all_rows else f"you have {n:,}"
    if longer:
        yield longer


def _longer_run(conclusion: Conclusion, verdict: Verdict) -> tuple[str, bool]:
    """Return what a longer run does, and whether that may be enough: whether unlimited repeats or seeds, and all rows
    of a sample, would show a difference of the margin four times in five.
    """
    left = {}  # the part of the squared standard error that stays
    if conclusion.interval == "corrected" and conclusion.more_repeats_ratio is not None:
        left["repeats"] = conclusion.more_repeats_ratio**2
    if verdict.seed_share:  # of a judgement with several seeds
        left["seeds"] = 1 - verdict.seed_share
    n, whole, rest = conclusion.n_rows, conclusion.plan.sample_of, math.prod(left.values())
    quick = is_first_look(conclusion) or whole is not None
    more = f"more {listed(list(left), last='or')}"
    more_rows = whole / n if whole and n else 1.0
    if verdict.rows_factor * rest <= more_rows:
        enough = [what for what, part in left.items() if verdict.rows_factor * part <= 1]
        return "a full run" if quick else f"more {listed(enough or list(left), last='or' if enough else 'and')}", True
    if quick:
        return "a full run makes this reliable, but will hardly separate them", False
    if math.sqrt(rest) >= _HARDLY:
        return f"{more} won't help" if left else "", False
    if conclusion.plan.ended == "rows":  # the last line says by how much
        return f"{more} would hardly help", False
    return f"{more} would narrow the ± by {100 * (1 - math.sqrt(rest)):.0f}% at most, which isn't enough", False


def is_first_look(conclusion: Conclusion) -> bool:
    """Return whether the run was made smaller by `--quick`."""
    return bool(conclusion.plan.quick and conclusion.plan.kind == "cross_validation")


def has_networks(conclusion: Conclusion) -> bool:
    """Return whether networks were trained, as in a comparison."""
    return any(candidate.kind == "network" for candidate in conclusion.candidates)


def leaves_out_rows(conclusion: Conclusion) -> bool:
    """Return whether each network left out rows, by which its training ended: not by the tutorial's recipe."""
    patience: int | None = conclusion.specification.get("recipe", {}).get("patience")
    return patience != 0


def learnt_nothing(conclusion: Conclusion) -> set[str]:
    """Return the candidates whose training loss stayed above that of predicting the same for every row."""
    checks = [check for check in conclusion.checks if check.code == "under_trained"]
    return {check.candidate for check in checks if "training_loss" in check.evidence}


def guessing(conclusion: Conclusion) -> str:
    """Return what the baseline `prior` does."""
    return f"predicting the {'mean' if conclusion.task == 'regression' else 'same for every row'}"


def listed(words: Sequence[str], most: int | None = None, last: str = "and") -> str:
    """Join words as `a, b and c`, or with another word before the last; more than `most` are counted, not named."""
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def margin_words(metric: DecidingScore) -> str:
    """Return the margin as a size: `0.00436`, `1 point`, `2.5 points`."""
    if not known_metric(metric.name).percent:
        return plain_number(metric.margin)
    points = f"{100 * metric.margin:.3g}"
    return "1 point" if points == "1" else f"{points} points"
