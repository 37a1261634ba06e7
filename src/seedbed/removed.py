"""What left seedbed: verbs, options and arguments, with a sentence each on what to do instead."""

from __future__ import annotations

_CONTINUES = "Leave it out: the same command or call continues an interrupted run."
_N_NETWORKS = "Give n_networks: a model averages so many networks, each with its own seed."
_AS_FRAME = "Read the table with pandas or Polars, and judge the data frame or a CSV file of it."

# A key is a verb; an option or argument, with `_` for `-`, of all verbs and functions or of the named one; or one of
# its values. Sentences fit the command line and Python.
_REMOVED = {
    "cluster": "Leave it out: one machine takes seconds, and joblib runs searches of scikit-learn on several.",
    "max_epochs": "Give epochs: training ends by rows left out, after so many epochs at most.",
    "lr=auto": "Leave it out: None suits the optimizer and the candidate.",
    "epochs=auto": "Leave it out: None suits the number of rows.",
    "epoch": "Leave it out: training ends by rows left out; patience=0 trains on all rows for all epochs.",
    "Recipe horizon": "Leave it out: the schedule is planned for all epochs.",
    "compare seeds": _N_NETWORKS,
    "columns seeds": _N_NETWORKS,
    "rows seeds": _N_NETWORKS,
    "Design seeds": _N_NETWORKS,
    "networks": "Give n_networks: a model averages so many networks.",
    "no_auto": "Leave it out: the default comparison has auto; named candidates have it if it is named.",
    "recipe=trained": "Leave it out: it is the default.",
    "train overwrite": "Leave it out: a training on one split takes a moment, and is done again each time.",
    "resume": "Run the same command again: it continues an interrupted run.",
    "trust": _CONTINUES,
    "jobs": "Give n_jobs: so many cores train at once.",
    "interval": "Leave it out: all intervals are corrected for overlapping folds.",
    "chart=intervals": "The first table of the report draws the ranges.",
    "chart=ranks": "The report has the mean ranks as a table.",
    "train_many watch": "Leave it out: boards of epochs have left.",
    "judge networks": "Average the predictions of the networks first; otherwise leave it out: seeds are averaged.",
    "judge all_pairs": "Leave it out, or name a reference; autorank and scikit-posthocs judge all pairs.",
    "judge query": _AS_FRAME,
    "judge table": _AS_FRAME,
    "judge skip_rows": _AS_FRAME,
    "judge limit": _AS_FRAME,
    "judge source": _AS_FRAME,
    "report by": "Give it to the compare command of the run: a finished run isn't trained again.",
    "export python": "Export ONNX; or in Python, save the state_dict of each of model.networks() with torch.save.",
}


def removed(name: str, place: str = "") -> str:
    """Return what to do instead of a verb, option or argument that left; empty if it isn't one of them.

    Args:
        name: its name, with `_` or `-`, also with a value: `interval=nested`.
        place: the verb or function.
    """
    name = name.lstrip("-").replace("-", "_")
    return _REMOVED.get(f"{place} {name}") or _REMOVED.get(name, "")
