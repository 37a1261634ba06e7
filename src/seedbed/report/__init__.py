"""Text for people: terminal, report, notebook, progress. All of it is made from plain dicts."""

from seedbed.report.card import card_text, score_sentences
from seedbed.report.columns import label_of
from seedbed.report.judged import tables_text
from seedbed.report.overview import overview_text
from seedbed.report.progress import Progress, ProgressDisplay, notebook_progress
from seedbed.report.sentences import note_sentences, serious_sentences
from seedbed.report.stored import (
    check_files,
    command_hint,
    draw_again,
    notebook_fragment,
    read_summary,
    text_fragment,
    write_report,
)
from seedbed.report.terminal import comparison_text, glance_lines, glance_text, subgroup_lines
from seedbed.report.training_run import epoch_lines, training_text

__all__ = [
    "Progress",
    "ProgressDisplay",
    "card_text",
    "check_files",
    "command_hint",
    "comparison_text",
    "draw_again",
    "epoch_lines",
    "glance_lines",
    "glance_text",
    "label_of",
    "note_sentences",
    "notebook_fragment",
    "notebook_progress",
    "overview_text",
    "read_summary",
    "score_sentences",
    "serious_sentences",
    "subgroup_lines",
    "tables_text",
    "text_fragment",
    "training_text",
    "write_report",
]
