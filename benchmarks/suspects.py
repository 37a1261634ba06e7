"""Which columns of many tables are warned of: identifiers that repeat, follow-up time, leaks (SB203, SB210 to SB213).

python benchmarks/suspects.py FOLDER                     of CSV files; the target is the last column that can be one
python benchmarks/suspects.py FOLDER --target 'status|death|cens'     each column with such a name and 2 to 4 values

Prints a line per alarm. Whether it is a false one, a person decides.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

import pandas as pd

import seedbed as sb
from seedbed.errors import SeedbedError

CODES = ("SB203", "SB210", "SB211", "SB212", "SB213")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path)
parser.add_argument("--target", default="")
arguments = parser.parse_args()
tables, alarmed = 0, Counter[str]()
for path in sorted(arguments.folder.glob("*.csv*")):
    frame = pd.read_csv(path)
    targets = list(frame.columns[::-1])
    if arguments.target:
        name = re.compile(f"(?i)(?:.*[^a-z])?(?:{arguments.target})(?:[^a-z].*)?")
        targets = [one for one in targets if name.fullmatch(one) and 2 <= frame[one].nunique() <= 4]
    for target in targets:
        try:
            table = sb.read_table(frame, target=target)
        except SeedbedError:
            continue
        tables += 1
        alarms = [note for note in table.notes if note.code in CODES]
        alarmed.update({note.code for note in alarms})
        for note in alarms:
            print(f"{path.name} ({table.n_rows} rows, target {target}): {note.code}: {note.message}", flush=True)
        if not arguments.target:
            break
print(f"{tables} tables; with an alarm: {dict(sorted(alarmed.items()))}")
