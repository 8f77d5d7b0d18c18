"""Play the sabotage lab by a fixed rule: how often is each flaw found, and how often is a clean case accused?

The rule buys the audits in the order of `case.flaws`. It accuses by the first statistic above its limit, with the
effect that its audit measured; if there is none, the rule acquits. Each case is a row in sabotage_power.csv, and a run
continues where the last one ended.
"""

import argparse
import csv
import time
from pathlib import Path

import pandas as pd

from tlkit.lessons.sabotage import Case, specimens

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ["flaw", "seed", "accused", "right", "covered", "coins", "points", "effect", "low", "high", "duration_s"]


def play(flaw, seed):
    """Return a row of one case that is played by the rule."""
    start = time.perf_counter()
    case = Case(0, seed, None if flaw == "clean" else flaw)
    row = {"flaw": flaw, "seed": seed, "accused": ""}
    for known in case.flaws.itertuples():
        evidence = case.audit(known.audit)
        if evidence.statistic > evidence.limit:
            row |= {"accused": known.flaw, "effect": evidence.effect, "low": evidence.low, "high": evidence.high}
            row["coins"] = sum(case.flaws["cost"][: known.Index + 1])
            mark = case.accuse(known.flaw, effect=(evidence.low, evidence.high))
            break
    else:
        row["coins"], mark = case.flaws["cost"].sum(), case.acquit()
    row |= {"right": mark.right, "covered": mark.covered, "points": mark.points}
    return row | {"duration_s": round(time.perf_counter() - start, 1)}


def summarise(rows):
    """Return one row per flaw: cases, shares found and with a covered effect, coins spent."""
    table = rows.groupby("flaw", sort=False).agg(
        n=("right", "size"), right=("right", "mean"), covered=("covered", "mean"), coins=("coins", "mean")
    )
    return table.round(3)


def main():
    """Play the missing cases in rounds, so that a stopped run has equally many cases of each flaw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flaws", nargs="+", default=[*specimens.FLAWS, "clean"])
    parser.add_argument("--cases", type=int, default=20, help="of each flaw; there are ten times as many clean ones")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further case after this time")
    settings, start = parser.parse_args(), time.monotonic()
    done = set()
    if TABLE.exists():
        rows = pd.read_csv(TABLE)
        done = set(zip(rows["flaw"], rows["seed"], strict=True))
    jobs = []
    for place in range(settings.cases):
        for flaw in settings.flaws:
            jobs += [(flaw, 10 * place + part) for part in range(10 if flaw == "clean" else 1)]
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for flaw, seed in jobs:
            if (flaw, seed) not in done and time.monotonic() - start < settings.seconds:
                writer.writerow(play(flaw, seed))
                file.flush()
    print(summarise(pd.read_csv(TABLE)).to_string())


if __name__ == "__main__":
    main()
