"""Few labels: TF-IDF, a probe, LoRA, full tuning, and training from scratch, on the English names of the emoji set.

Each row is written as soon as its run has ended, and rows that are there are not repeated. Prints the tables; with
--report also writes Markdown. The weights have to be fetched before: `tlkit backbones fetch minilm`.
"""

import argparse
import dataclasses
import platform
import time
from pathlib import Path

from machine import describe_machine
from rows import append_row, read_rows

COLUMNS = (
    *("part", "arm", "rate_factor", "shots", "seed", "accuracy", "n_train", "n_test", "n_steps", "processor_s"),
    "processor",
)
ARMS = ("hand_made", "linear_probe", "lora", "fine_tune", "from_scratch")
# The rates of the catalogue, times these. All arms that take steps have as many tries.
FACTORS = {"lora": (1 / 3, 1, 3), "fine_tune": (1 / 3, 1, 3), "from_scratch": (1 / 30, 1 / 6, 1)}
SHOTS = (1, 5, 20, "all")
TRIED_SHOTS = 20
N_SEEDS = 5
N_TOKENS, BATCH_SIZE = 16, 16


def main():
    """Make the missing rows, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--checkpoints", type=Path, help="a folder where a killed run continues")
    parser.add_argument("--report", type=Path, help="a Markdown file")
    arguments = parser.parse_args()

    import torch

    import tlkit as tl

    torch.set_num_threads(1)  # processor time then hardly depends on other work of the machine
    texts, backbone = load_names(), tl.load_backbone("minilm", n_tokens=N_TOKENS)
    done = {
        (row["part"], row["arm"], float(row["rate_factor"]), row["shots"], int(row["seed"]))
        for row in read_rows(arguments.rows)
    }

    def make(part, arm, factor, shots, seed):
        if (part, arm, factor, str(shots), seed) in done:
            return
        row = {"part": part, "arm": arm, "rate_factor": factor, "shots": shots, "seed": seed}
        name = f"{part}-{arm}-{factor:.3f}-{shots}-{seed}"
        checkpoint = arguments.checkpoints and arguments.checkpoints / name
        row |= run_cell(backbone, texts, part, arm, factor, shots, seed, checkpoint)
        append_row(arguments.rows, row | {"processor": describe_machine()}, COLUMNS)
        print(f"{name}: {row['accuracy']:.3f}, {row['processor_s']:.0f} s", flush=True)

    for arm, factors in FACTORS.items():
        for factor in factors:
            make("tries", arm, factor, TRIED_SHOTS, 0)
    best = choose_factors(read_rows(arguments.rows))
    for shots in SHOTS:
        for seed in range(N_SEEDS):
            for arm in ARMS:
                make("table", arm, best.get(arm, 1.0), shots, seed)
    report = write_report(read_rows(arguments.rows))
    print(report)
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")


def load_names():
    """Return the `TextSet` of names, such as "grinning face", without keywords; classes, groups and folds are kept."""
    import tlkit as tl

    texts = tl.load_texts("emoji", domain="en")
    rows = [
        # A title is the emoji, then its name.
        {"text": title.partition(" ")[2], "class": texts.classes[label], "group": group, "fold": int(fold)}
        for title, label, group, fold in zip(texts.titles, texts.labels, texts.groups, texts.folds, strict=True)
    ]
    return tl.load_texts(rows, label="class", group="group", fold="fold")


def run_cell(backbone, texts, part, arm, factor, shots, seed, checkpoint):
    """Train an arm on some shots of a seed, and return its row (dict)."""
    import numpy as np

    import tlkit as tl
    from tlkit.features.hand_made import weigh_terms

    train, test = texts.split(test_fold=seed)
    if part == "tries":  # scored on training texts that were not drawn
        drawn = train.few(shots, seed=seed)
        test = train[~np.isin(train.groups, drawn.groups)]
        train = drawn
    elif shots != "all":
        train = train.few(shots, seed=seed)
    started, n_steps = time.process_time(), 0
    if arm == "hand_made":
        known, tested = weigh_terms(train, test)
        probabilities = tl.fit_head(known, "ridge", seed=seed).predict(tested.values)
    else:
        strategy = tl.strategies.get(arm)
        phases = [dataclasses.replace(phase, learning_rate=scale(phase, factor)) for phase in strategy.phases]
        if arm == "from_scratch" and shots == "all":  # five times the steps would take hours
            phases = [dataclasses.replace(phase, n_epochs=phase.n_epochs // 5) for phase in phases]
        strategy = dataclasses.replace(strategy, phases=phases, adjust=None)  # the rates are those of `factor`
        settings = {"checkpoint": checkpoint, "batch_size": BATCH_SIZE} if arm in FACTORS else {}
        run = tl.transfer(backbone, train, strategy, seed=seed, progress=False, **settings)
        probabilities, n_steps = run.predict(test), run.n_steps
    accuracy = float(np.mean(probabilities.argmax(1) == test.labels))
    costs = {"n_steps": n_steps, "processor_s": round(time.process_time() - started, 1)}
    return {"accuracy": accuracy, "n_train": len(train), "n_test": len(test)} | costs


def scale(phase, factor):
    """Return the learning rate of a phase, or all of its rates, times a factor."""
    rate = phase.learning_rate
    if isinstance(rate, dict):
        return {part: factor * value for part, value in rate.items()}
    return rate if rate is None or phase.n_epochs is None else factor * rate


def choose_factors(rows):
    """Return {arm: its best factor} of the tries."""
    best = {}
    for row in rows:
        if row["part"] == "tries":
            factor, accuracy = float(row["rate_factor"]), float(row["accuracy"])
            best[row["arm"]] = max(best.get(row["arm"], (0.0, 0.0)), (accuracy, factor))
    return {arm: factor for arm, (_, factor) in best.items()}


def write_report(rows):
    """Return the report as Markdown: accuracies, gains over three baselines with verdicts, and tries."""
    import pandas as pd

    from tlkit.evaluation.gains import transfer_gain
    from tlkit.evaluation.intervals import t_interval

    table = pd.DataFrame([row for row in rows if row["part"] == "table"])
    table = table.astype({"accuracy": float, "seed": int, "n_steps": int, "processor_s": float, "n_train": int})
    complete = [shots for shots in map(str, SHOTS) if len(table[table["shots"] == shots]) == len(ARMS) * N_SEEDS]
    table = table[table["shots"].isin(complete)]
    counts = {shots: round(part["n_train"].mean()) for shots, part in table.groupby("shots")}
    n_test = sorted({int(row["n_test"]) for row in rows if row["part"] == "table"})
    processors = " and ".join(sorted({row["processor"] for row in rows}))
    head = f"| arm | {' | '.join(f'{shots} ({counts[shots]} texts)' for shots in complete)} |"
    lines = [
        *("# Few labels of texts", ""),
        f'English names of emoji, such as "grinning face", in seven classes; texts per class in the columns. Each of '
        f"the {N_SEEDS} seeds tests on a fold of its own ({n_test[0]} to {n_test[-1]} texts) and draws shots, head, "
        "order and dropout. TF-IDF is the arm `hand_made`: terms of the training texts alone, and a ridge head. "
        f"The other arms are strategies of the catalogue on `minilm`, with {N_TOKENS} tokens, which cut no name, in "
        f"batches of {BATCH_SIZE}. From scratch gets five times the steps of the others, with all labels as many.",
        "",
        f"Made by `benchmarks/text_shots.py` on {processors}, one thread, Python {platform.python_version()}.",
        *("", "## Accuracy", "", "Percent, mean over seeds ± half of the 95 % interval (Student's t).", ""),
        *(head, "|---" * (1 + len(complete)) + "|"),
    ]
    for arm in ARMS:
        cells = []
        for shots in complete:
            values = table[(table["arm"] == arm) & (table["shots"] == shots)]["accuracy"]
            low, high = t_interval(values.to_numpy())
            cells.append(f"{100 * values.mean():.1f} ± {50 * (high - low):.1f}")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    runs = table.rename(columns={"arm": "strategy"}).assign(fold=table["seed"])
    runs["shots"] = runs["shots"].map(lambda shots: counts[shots] if shots == "all" else int(shots))
    for baseline in ("from_scratch", "hand_made", "linear_probe"):
        gains = transfer_gain(runs, baseline=baseline).set_index(["strategy", "shots"])
        lines += [
            *("", f"## Gain over {baseline}", ""),
            "Points, paired by seed. All intervals of this table hold together in 95 % of studies.",
            *("", head, "|---" * (1 + len(complete)) + "|"),
        ]
        for arm in ARMS:
            if arm != baseline:
                found = [gains.loc[arm, counts[s] if s == "all" else int(s)] for s in complete]
                cells = [
                    f"{100 * one.gain:+.1f} ({100 * one.gain_low:+.1f} to {100 * one.gain_high:+.1f}): {one.verdict}"
                    for one in found
                ]
                lines.append(f"| {arm} | {' | '.join(cells)} |")
    lines += ["", "## Steps and processor seconds per run", "", head, "|---" * (1 + len(complete)) + "|"]
    for arm in ARMS:
        cells = []
        for shots in complete:
            part = table[(table["arm"] == arm) & (table["shots"] == shots)]
            cells.append(f"{part['n_steps'].mean():.0f}, {part['processor_s'].mean():.1f} s")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    best = choose_factors(rows)
    lines += [
        *("", "## Tries of learning rates", ""),
        f"Each arm that takes steps was tried at three multiples of its rates in the catalogue, with {TRIED_SHOTS} "
        "shots of seed 0. Training texts of seed 0 that were not drawn scored them. They are test texts of the other "
        "seeds, so each of these arms can look slightly too good there.",
        *("", "| arm | multiple of the rates: accuracy in percent | taken |", "|---|---|---|"),
    ]
    for arm in FACTORS:
        tries = [row for row in rows if row["part"] == "tries" and row["arm"] == arm]
        cells = "; ".join(f"{float(row['rate_factor']):.3g}: {100 * float(row['accuracy']):.1f}" for row in tries)
        lines.append(f"| {arm} | {cells} | {best[arm]:.3g} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
