"""The answers that readers want first: which model to use, how sure that is, what to expect, what
would settle it."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from seedbed.data.frame import SERIOUS
from seedbed.errors import command_line_options, counted, spell, spell_all
from seedbed.evaluation.metrics import measure, plain_number, plus_minus
from seedbed.evaluation.sites import FEWEST_SITES
from seedbed.evaluation.summaries import Advice, Conclusion, DecidingScore, Note, Score
from seedbed.evaluation.verdicts import OPEN, count_range
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.tables import decimals_of, range_words

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")
_MOST_NAMED = 3
_FEW_ROWS = 200  # of a table: below it, the blend is less often among the best
_NEARLY_ALL = (
    0.985  # from here on, 1,000 rows are named, since all of 100 would be right
)
_RARE = 0.1  # of the rows
_TOO_MANY = 10_000_000  # rows
_OF_THIS_RUN = (
    "out",
    "format",
)  # options with a value that another question doesn't need
_NOT_OF_SURVIVAL = ("target", "metric", "margin", "task", "by")
_FLAGS = ("overwrite", "quick", "quiet")
_MEANT_OTHERWISE = ("SB216", "SB217")  # warnings about the question, not the table
_SHARES = ("brier_skill", "r2")  # of the best score, by one column
_MOST = 0.8
_NARROW = 0.03  # a range of so few points has a decimal
_NO_MORE = 1.05  # times the rows of the table: up to this, the answer doesn't speak of more rows


def answers(conclusion: Conclusion) -> list[tuple[str, str]]:
    """Return label and text of each line of the answers: *Use*, *Simpler*, *Expect*, *More rows*, *Note*. A
    line that continues the answer before it has no label."""
    advice = conclusion.advice
    ranking = conclusion.ranking
    more = list[str]()
    if (
        conclusion.kind == "comparison"
        and conclusion.rows is None
        and conclusion.columns is None
    ):
        is_command = conclusion.command.startswith("seedbed compare ")
        command = _again(conclusion, "rows", "quick") if is_command else ".rows()"
        more = [f"not tested; try: {command}"]
    texts = {"Note": [*_questions(conclusion), "; ".join(_limits(conclusion))]}
    if advice is not None:
        texts = {
            "Use": [_use(conclusion, advice)],
            "Simpler": [_simpler(conclusion, advice)]
            if conclusion.kind == "comparison"
            else [],
            "Expect": [
                *_expect(conclusion, advice.use),
                *at_a_new_site(conclusion),
            ],
            "More rows": more,
            **texts,
        }
    elif len(conclusion.candidates) == len(ranking) == 1:
        texts["Expect"] = [*_expect(conclusion, ranking[0])]
    return [
        ("" if n else label, text)
        for label, lines in texts.items()
        for n, text in enumerate(lines)
        if text
    ]


def remedy(conclusion: Conclusion) -> tuple[str, str] | None:
    """Return which columns may make the results of a comparison wrong, and the command without them
    or with their rows in one fold; None if no such command is known."""
    notes = [note for note in conclusion.notes if is_remedied(note)]
    if not notes or conclusion.columns is not None or conclusion.rows is not None:
        return None
    remedies = group_by_first(
        (name, one)
        for note in notes
        for name, values in note.remedy.items()
        for one in values
    )
    options = {name: dict.fromkeys(values) for name, values in remedies.items()}
    if (
        len(options.get("group", ())) > 1
    ):  # the coarsest, as others may lie within its groups
        coarsest = min(
            (one for one in notes if "group" in one.remedy),
            key=lambda one: one.count or 0,
        )
        options["group"] = dict.fromkeys(coarsest.remedy["group"])
    if "event" in options:
        options.pop("time_split", None)
    if not (command := _with_options(conclusion, options)):
        return None
    findings, codes = (
        dict.fromkeys(note.finding for note in notes),
        dict.fromkeys(note.code for note in notes),
    )
    return f"{'; '.join(findings)} ({', '.join(codes)}). Type:", command


def is_remedied(note: Note) -> bool:
    """Return whether a note is a warning that may make results wrong, and advises options."""
    return note.code in SERIOUS and bool(note.remedy)


def _with_options(conclusion: Conclusion, options: Mapping[str, Iterable[str]]) -> str:
    """Return the command of a comparison with more options for reading its table; empty if there is
    none."""
    is_of_survival = "event" in options
    if conclusion.command.startswith("seedbed compare "):
        given = {
            word.lstrip("-").partition("=")[0]
            for word in shlex.split(conclusion.command)
            if word.startswith("-")
        }
        if is_of_survival and "time-split" in given:
            return ""
        with command_line_options():
            words = spell_all(options)
        replaced = [
            name.replace("_", "-")
            for name in options
            if name not in ("drop", "missing")
        ]
        without = (*replaced, *(_NOT_OF_SURVIVAL if is_of_survival else ()))
        return f"{_again(conclusion, 'compare', *without)} {words}"
    if conclusion.command:
        return ""
    with command_line_options(are_named=False):
        return f"sb.read_table(..., {spell_all(options)})"


def _use(conclusion: Conclusion, advice: Advice) -> str:
    """Return which model to use, and why."""
    use = advice.use
    guessing = guessing_words(conclusion)
    if use == "prior":
        return f"no model. None is shown to beat {guessing}."
    words = model_words(conclusion, use)
    name = use
    if words:
        name = (
            f"{use}, {words}" if conclusion.candidate(use).parts else f"{use} ({words})"
        )
    rules = {verdict.candidate: verdict.rule for verdict in conclusion.verdicts}
    if advice.guess and is_useful(conclusion):
        return f"{name}. Likely better than {guessing}, but not proven."
    if advice.guess:
        return f"No model is shown to beat {guessing}. If you need one: {name}."
    if use != conclusion.reference:
        return f"{name}. It is shown to be better than {conclusion.reference}."
    if rules and set(rules.values()) == {"worse"}:
        others = "all others" if len(rules) > 1 else next(iter(rules))
        return f"{name}. It is shown to be better than {others}."
    if use == "auto" and conclusion.metric.in_points and conclusion.n_rows:
        share = "8" if conclusion.n_rows < _FEW_ROWS else "9"
        best = "within 2 points of the best model"
        return f"{name}. On real tables it was {best} {share} times in 10."
    is_blended = any(model.parts for model in conclusion.candidates)
    is_first = conclusion.kind == "comparison" and use == conclusion.candidates[0].name
    why = ", as the first candidate" if is_first and not is_blended else ""
    return f"{name}, the reference{why}. No other model is shown to be better."


def is_useful(conclusion: Conclusion) -> bool:
    """Return whether the recommended model is at least likely better than the prior."""
    advice = conclusion.advice
    if advice is None or not advice.guess:
        return True
    prior = conclusion.verdict("prior")
    return prior is not None and prior.rule == "likely_worse"


def _simpler(conclusion: Conclusion, advice: Advice) -> str:
    """Return the simplest model that may be as good as the blend or the reference, with its
    distance; empty if the recommended model has no simpler one beside it."""
    verdict = conclusion.verdict(advice.simpler)
    if verdict is not None:
        shown = conclusion.metric.shown
        distance = verdict.times(shown.scale)
        decimals = decimals_of(shown, conclusion.metric.margin)
        is_small = verdict.rule == "no_practical_difference"
        size = abs(distance.mean)
        amount = plus_minus(
            size, distance.half, decimals, decided=False, is_distance=True
        )
        how = "is" if is_small else "may be"
        where = "ahead of" if distance.mean > 0 else "behind"
        unit = " points" if shown.in_points else ""
        return f"{advice.simpler} {how} as good: {amount}{unit} {where} {verdict.reference}"
    is_alone = (
        not conclusion.candidate(advice.use).parts or advice.use != conclusion.reference
    )
    return "" if is_alone else "none: every single model is likely worse"


def model_words(conclusion: Conclusion, name: str) -> str:
    """Return what a model is, for a sentence: `a mix (81% boosted-trees, 19% logistic)`."""
    model = conclusion.candidate(name)
    if len(model.parts) > 1:
        named = [*model.parts.items()][: 3 if len(model.parts) == 3 else 2]
        shares = {part: round(100 * share) for part, share in named}
        rest = 100 - sum(shares.values())
        if len(model.parts) > 3 and rest > 0:
            shares["others"] = rest
        return (
            f"a mix ({', '.join(f'{share}% {part}' for part, share in shares.items())})"
        )
    words = model.few_words
    return (
        f"a network with {words}"
        if "layer" in words and model.kind == "network"
        else words
    )


def _questions(conclusion: Conclusion) -> Iterator[str]:
    """Yield what may be asked otherwise, and which column alone has most of the best score."""
    yield from (
        note.finding for note in conclusion.notes if note.code in _MEANT_OTHERWISE
    )
    scores = [one.scores.get(name) for one in conclusion.candidates for name in _SHARES]
    best = max(
        (score.mean or 0.0 for score in scores if score is not None), default=0.0
    )
    left_out = {
        note.column for note in conclusion.notes if is_remedied(note)
    }  # by the warning
    for note in conclusion.notes:
        if note.code == "SB212" and 0 < _MOST * best <= note.share:
            alone = f"'{note.column}' alone scores {100 * note.share:.0f}"
            finding = f"{alone}, the best model {100 * best:.0f}"
            command = _with_options(conclusion, note.remedy) or spell_all(note.remedy)
            advice = f". If it isn't known before the outcome, type: {command}"
            yield finding if note.column in left_out else f"{finding}{advice}"


def _limits(conclusion: Conclusion) -> Iterator[str]:
    """Yield what was left out: rows, repeats, or baselines."""
    plan = conclusion.plan
    if is_first_look(conclusion) or plan.sample_of:
        rows = (
            f" at {conclusion.n_rows:,} of {plan.sample_of:,} rows"
            if plan.sample_of
            else ""
        )
        look = f"a first look{rows} with {counted(plan.repeats, 'repeat')}"
        yield f"{look}: run it without {spell('quick')} before you rely on it"
    if has_networks(conclusion) and not any(
        candidate.kind == "baseline" for candidate in conclusion.candidates
    ):
        yield "no baseline was compared, so this doesn't show whether a network is needed"


def _expect(conclusion: Conclusion, name: str) -> Iterator[str]:
    """Yield which scores to expect on new rows."""
    shown, scores = conclusion.metric.shown, conclusion.candidate(name).scores
    deciding = scores[shown.name]
    if (
        conclusion.kind == "judgement"
        and deciding.mean is not None
        and not _has_interval(deciding)
    ):
        score = measure(shown, deciding.mean)
        yield f"{shown.words} {score}; its interval isn't known, as all splits have this score"
        return
    if outcome_of(conclusion.task).in_words == "mae" and "mae" in scores:
        error = conclusion.expected_score(name, "mae")
        if _has_interval(error):
            half = max((error.high or 0.0) - (error.low or 0.0), sys.float_info.min) / 2
            decimals = max(0, 1 - math.floor(math.log10(half)))
            ends = [
                f"{value or 0.0:,.{decimals}f}"
                for value in (error.mean, error.low, error.high)
            ]
            off = f"off by {ends[0]} in {conclusion.target} on average on new rows"
            interval = f"{_level(conclusion.alpha)}: {ends[1]} to {ends[2]}"
            yield f"{off} ({interval}){_guess(conclusion, 'mae', decimals)}"
        return
    if conclusion.survival is not None and "uno_c" in scores:
        if _has_interval(scores["uno_c"]):
            share = in_percent(scores["uno_c"], "pairs", conclusion.alpha).removesuffix(
                ")"
            )
            yield f"of two new rows, the one with the higher risk has its event first in {share}; chance: 50)"
            yield "this ranks rows by risk; it doesn't count right rows"
        return
    if "accuracy" not in scores:  # the scores of a file, or of random splits
        if _has_interval(deciding):
            yield f"{shown.words} {range_words(shown, deciding)}"
        return
    if label := rare_label(conclusion):
        if _has_interval(scores["recall"]):
            rows = f"new rows with {conclusion.target} {label}"
            found = in_percent(scores["recall"], rows, conclusion.alpha)
            yield f"finds {found}{_false_alarms(conclusion, name, label)}"
        if _has_interval(scores["roc_auc"]):
            yield f"ROC AUC {range_words('roc_auc', scores['roc_auc'])}; 1 is perfect, chance: 0.5"
    accuracy = conclusion.expected_score(name, "accuracy")
    if (
        accuracy.mean is not None
        and accuracy.low is not None
        and accuracy.high is not None
    ):
        new = f"new {conclusion.plan.unit}"
        share = in_percent(accuracy, f"{new} right", conclusion.alpha)
        yield f"{share}{_guess(conclusion, 'accuracy')}"
        if conclusion.sites is not None:
            return
        for of in () if label else (100, 1000):
            low, high = count_range(
                accuracy.mean,
                accuracy.low,
                accuracy.high,
                of=of,
                alpha=conclusion.alpha,
            )
            if low < of * _NEARLY_ALL or of == 1000:
                yield f"in any one batch of {of:,} {new}: {low:,} to {high:,} right"
                break


def at_a_new_site(conclusion: Conclusion) -> Iterator[str]:
    """Yield the ranges of scores at a site that no model has seen, or why there are none."""
    sites = conclusion.sites
    if sites is None:
        return
    names = [outcome_of(conclusion.task).in_words or "uno_c"]
    names += ["roc_auc"] if rare_label(conclusion) else []
    texts = {
        "accuracy": "{:.0f} to {:.0f}% right",
        "uno_c": "{:.0f} to {:.0f}% of pairs",
        "mae": f"off by {{:,.3g}} to {{:,.3g}} in {conclusion.target} on average",
        "roc_auc": "ROC AUC {:.2f} to {:.2f}",
    }
    known = {name: sites.new[name] for name in names if name in sites.new}
    ranges = []
    for name, site in known.items():
        scale = 100 if name in ("accuracy", "uno_c") else 1
        ranges.append(texts[name].format(scale * site.low, scale * site.high))
    n = len(sites.sites)
    if ranges:
        yield f"at a site that isn't one of these {n}: {'; '.join(ranges)}"
    else:
        enough = f"it takes {FEWEST_SITES} on which the score is known"
        yield f"at a new site: not known, as {counted(n, 'site')} are too few ({enough})"


def _false_alarms(conclusion: Conclusion, name: str, label: str) -> str:
    """Return which share of the rows that a model calls by a label has another one; empty if it
    calls none so."""
    place = [*conclusion.labels].index(label)
    called = [row[place] for row in conclusion.candidate(name).confusion or ()]
    if not sum(called):
        return ""
    return f"; {100 * (1 - called[place] / sum(called)):.0f}% of its alarms are false"


def _guess(conclusion: Conclusion, key: str, decimals: int | None = None) -> str:
    """Return what the baseline scores, if it was compared: `; by always answering 0: 68%`."""
    prior = next((one for one in conclusion.candidates if one.name == "prior"), None)
    if prior is None or (score := prior.scores[key].mean) is None:
        return ""
    return f"; by {guessing_words(conclusion)}: {measure(key, score) if decimals is None else f'{score:,.{decimals}f}'}"


def _has_interval(score: Score) -> bool:
    return score.low is not None and score.high is not None


def in_percent(score: Score, rows: str, alpha: float) -> str:
    """Return a share of rows, with its range: `84% of new rows right (95%: 80 to 88)`."""
    mean, low, high = (
        100 * (value or 0.0) for value in (score.mean, score.low, score.high)
    )
    decimals = 0 if high - low >= 100 * _NARROW else 1
    return f"{mean:.{decimals}f}% of {rows} ({_level(alpha)}: {low:.{decimals}f} to {high:.{decimals}f})"


def _level(alpha: float) -> str:
    return f"{100 * (1 - alpha):g}%"


def rare_label(conclusion: Conclusion) -> str:
    """Return the rarer of two labels if it has less than a tenth of the rows, else an empty text:
    predicting the other label is then right in over nine rows of ten, so accuracy says little."""
    if (
        not outcome_of(conclusion.task).has_threshold
        or (conclusion.majority_share or 0.0) <= 1 - _RARE
    ):
        return ""
    if not all("recall" in candidate.scores for candidate in conclusion.candidates):
        return ""
    return min(conclusion.labels, key=lambda label: conclusion.labels[label])


def rows_to_tell(conclusion: Conclusion) -> Iterator[str]:
    """Yield how many rows would tell the recommended model from its next rival: predicting the same
    for every row if even that is open, else the simplest model that may be as good, else the best
    one. Yield nothing if no comparison is open."""
    advice = conclusion.advice
    if advice is None or advice.use != conclusion.reference:
        return
    use = advice.use
    verdicts = {one.candidate: one for one in conclusion.verdicts if one.rule in OPEN}
    names = ("prior", advice.simpler, *conclusion.ranking)
    rival = next((name for name in names if name in verdicts), None)
    if rival is None:
        return
    verdict = verdicts[rival]
    margin = conclusion.metric.margin
    n = conclusion.n_rows
    size = abs(verdict.difference)
    unit = conclusion.plan.unit
    factor = verdict.rows_factor * (margin / size) ** 2 if size > 0 else math.inf
    to_tell = f"to tell {use} from {outcome_of(conclusion.task).prior_name if rival == 'prior' else rival}"
    in_all = f" in all (you have {conclusion.plan.sample_of or n:,})" if n else ""
    if size > margin:
        yield f"{_rows(n, factor, unit)}{in_all} {to_tell}, if they differ as much as it looks"
        yield f"{_rows(n, verdict.rows_factor, unit)} if just enough to matter"
    else:
        yield f"{_rows(n, verdict.rows_factor, unit)}{in_all} {to_tell}, if they differ just enough to matter"


def _again(conclusion: Conclusion, verb: str, *without: str) -> str:
    """Return the command of a comparison with another verb, for another folder, and without some
    options."""
    kept = list[str]()
    is_value = False
    for word in shlex.split(conclusion.command):
        name, equals, _ = word.lstrip("-").partition("=")
        is_dropped = word.startswith("-") and name in (
            *_OF_THIS_RUN,
            "overwrite",
            "quiet",
            *without,
        )
        if not is_value and not is_dropped:
            kept.append(word)
        is_value = is_dropped and name not in _FLAGS and not equals and not is_value
    return shlex.join([kept[0], verb, *kept[2:]])


def _rows(n: int | None, factor: float, unit: str) -> str:
    """Return half to double of the rows or items that are needed, as the estimate is rough."""
    if not n:
        return f"{plain_number(max(1.0, factor / 2), 2)} to {plain_number(2 * factor, 2)} times as many {unit}"
    if 2 * n * factor > _TOO_MANY:
        return f"over {_TOO_MANY:,} {unit}"
    if 2 * factor <= 1:
        return f"about {n:,} {unit}"
    low = n * factor / 2
    high = plain_number(2 * n * factor, 2)
    return (
        f"{plain_number(low, 2)} to {high} {unit}"
        if low > _NO_MORE * n
        else f"up to {high} {unit}"
    )


def is_first_look(conclusion: Conclusion) -> bool:
    """Return whether the run was made smaller by `--quick`."""
    return bool(conclusion.plan.quick and conclusion.plan.kind == "cross_validation")


def has_networks(conclusion: Conclusion) -> bool:
    """Return whether networks were trained, as in a comparison."""
    return any(candidate.kind == "network" for candidate in conclusion.candidates)


def untrained_candidates(conclusion: Conclusion) -> set[str]:
    """Return the candidates whose training loss stayed above that of predicting the same for every
    row."""
    checks = [check for check in conclusion.checks if check.code == "under_trained"]
    return {check.candidate for check in checks if "training_loss" in check.evidence}


def guessing_words(conclusion: Conclusion) -> str:
    """Return what the baseline `prior` does."""
    return outcome_of(conclusion.task).always(conclusion.labels)


def group_by_first(pairs: Iterable[tuple[_Key, _Item]]) -> dict[_Key, list[_Item]]:
    """Return the second parts of pairs by the first ones."""
    groups = dict[_Key, list[_Item]]()
    for key, item in pairs:
        groups.setdefault(key, []).append(item)
    return groups


def join_words(words: Sequence[str], most: int | None = None, last: str = "and") -> str:
    """Join words as `a, b and c`, or with another word before the last; more than `most` are
    counted, not named."""
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return f" {last} ".join(
        [", ".join(words[:-1]), words[-1]] if len(words) > 1 else words
    )


def score_key(conclusion: Conclusion) -> str:
    """Return how to read the score that decides."""
    score = conclusion.metric.shown
    if score.zero is not None:
        return f"Score, from the {conclusion.metric.words}: 0 is {guessing_words(conclusion)}, 100 is perfect."
    words = f"{score.words[:1].upper()}{score.words[1:]}{f', {score.meaning}' if score.meaning else ''}"
    return f"{words}: {'high' if score.greater_is_better else 'low'} is good, and it decides."


def margin_words(metric: DecidingScore) -> str:
    """Return the margin as a size: `0.00436`, `1 point`, `2.5 points`."""
    shown = metric.shown
    number = plain_number(shown.scale * metric.margin)
    return (
        number
        if not shown.in_points
        else "1 point"
        if number == "1"
        else f"{number} points"
    )
