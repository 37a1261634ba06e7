"""Choose, then fit: inner splits, learning rate and epoch, final networks."""

from seedbed.fitting.final import Running, Settled, choose_settings, fit_networks, n_choosing, with_settings
from seedbed.fitting.rounds import Round, Runs, Stack, choices_of, choosing_runs, inner_splits, plan_round

__all__ = [
    "Round",
    "Running",
    "Runs",
    "Settled",
    "Stack",
    "choices_of",
    "choose_settings",
    "choosing_runs",
    "fit_networks",
    "inner_splits",
    "n_choosing",
    "plan_round",
    "with_settings",
]
