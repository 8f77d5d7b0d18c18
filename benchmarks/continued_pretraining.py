"""Does pretraining that goes on with one's own pictures, without labels, help a probe with five labels per class?

Each cell probes the published weights of a network, or the same after SimSiam on all training pictures of its fold
without their labels. A row is written as soon as its cell has ended, and the same command continues. Prints the paired
gains over the published weights; with --report also writes Markdown.
"""

import argparse
import math
import platform
import time
from pathlib import Path

from machine import describe_machine
from rows import append_row, read_rows

COLUMNS = (
    *("task", "strategy", "shots", "seed", "fold", "accuracy", "n_train", "n_without_labels", "n_steps"),
    *("first_loss", "last_loss", "output_spread", "processor_s", "processor"),
)
TASKS = ("sketch", "digits")
BASELINE = "published weights"
# Part of what moving norms gain may come from the statistics alone, without any training.
STATISTICS_ALONE = "new norm statistics"
SIMSIAM = {"simsiam": "frozen", "simsiam, moving norms": "moving"}
# Fixed beforehand, not chosen by these pictures: views like those of the paper, and the rates of `fine_tune`.
VIEWS = ["crop_wide", "colour", "gray", "blur"]
RATES = {"all": 2e-4, "head": 2e-3}


def main():
    """Make the missing rows, then print the gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=64, help="height and width in pixels")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, each with its own test fold")
    parser.add_argument("--shots", type=int, default=5, help="training pictures with labels per class")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of SimSiam")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures per step, each in two views")
    parser.add_argument("--digits", type=int, default=400, help="number of digits")
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--report", type=Path, help="a Markdown file")
    arguments = parser.parse_args()

    import torch

    import tlkit as tl

    # With one thread, processor time does not depend on other work of the machine.
    torch.set_num_threads(1)
    backbone = tl.load_backbone(arguments.backbone, image_size_px=arguments.image_size)
    tasks = {task: load_task(task, arguments.digits) for task in TASKS}
    strategies = make_strategies(arguments.epochs)
    # Seed by seed, so that an interrupted table compares all arms, with fewer seeds.
    cells = [
        (task, strategy, seed) for seed in range(arguments.seeds) for task in tasks for strategy in strategies.values()
    ]
    done = {(row["task"], row["strategy"], row["seed"]) for row in read_rows(arguments.rows)}
    missing = [cell for cell in cells if (cell[0], cell[1].name, str(cell[2])) not in done]
    print(f"{describe_machine()}; {len(missing)} of {len(cells)} cells are missing", flush=True)
    for task, strategy, seed in missing:
        row = run_cell(backbone, tasks[task], strategy, seed, arguments)
        row |= {"task": task, "strategy": strategy.name, "shots": arguments.shots, "seed": seed}
        append_row(arguments.rows, row | {"processor": describe_machine()}, COLUMNS)
        print(f"{task}, {strategy.name}, {seed}: {row['accuracy']:.3f}, {row['processor_s']:.0f} s", flush=True)
    report = write_report(read_rows(arguments.rows), tasks, arguments)
    print(report)
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")


def load_task(task, n_digits):
    """Return the pictures of a task."""
    import tlkit as tl

    if task == "digits":
        from small_task import load_digits

        return load_digits()[:n_digits]
    return tl.load_images("styles", domain=task)


def make_strategies(n_epochs):
    """Return {name: Strategy}: the probe alone, on new norm statistics, and after SimSiam in two ways."""
    import tlkit as tl

    probe, settings = tl.Phase(["head"], None), {"augment": VIEWS, "objective": tl.adaptation.SimSiam()}
    strategies = {name: tl.Strategy([probe], name=name) for name in (BASELINE, STATISTICS_ALONE)}
    for name, moves in SIMSIAM.items():
        pretrain = tl.Phase(list(RATES), n_epochs, RATES, norm_statistics=moves, **settings)
        strategies[name] = tl.Strategy([pretrain, probe], name=name)
    return strategies


def run_cell(backbone, images, strategy, seed, arguments):
    """Return the accuracy of a strategy on the test fold of a seed, and its cost, as a row."""
    import tlkit as tl
    from tlkit.images.splits import split_for
    from tlkit.training.precise_batch_norm import finish_norm_statistics

    fold, train, test = split_for(images, seed)
    few = train.few(arguments.shots, seed=seed)
    settings = {"target": train, "batch_size": arguments.batch_size} if strategy.name in SIMSIAM else {}
    begun_s = time.process_time()
    if strategy.name == STATISTICS_ALONE:
        renewed = tl.Strategy([], finish=finish_norm_statistics, name=STATISTICS_ALONE)
        backbone = tl.transfer(backbone, train, renewed, seed=seed, progress=False).backbone
    run = tl.transfer(backbone, few, strategy, seed=seed, progress=False, **settings)
    row = {"processor_s": time.process_time() - begun_s, "fold": fold, "n_train": len(few), "n_steps": run.n_steps}
    n_without_labels = 0 if strategy.name == BASELINE else len(train)
    row |= {"n_without_labels": n_without_labels, "accuracy": run.evaluate(test).accuracy}
    if run.history:
        ends = run.history[0], run.history[-1]
        row |= {"first_loss": ends[0]["loss"], "last_loss": ends[1]["loss"], "output_spread": ends[1]["output_spread"]}
    return row


def write_report(rows, tasks, arguments):
    """Return the accuracies and the paired gains with their verdicts, as Markdown."""
    import pandas as pd

    from tlkit.evaluation import transfer_gain

    table = pd.DataFrame(rows).replace("", float("nan"))
    numbers = [name for name in COLUMNS if name not in ("task", "strategy", "processor")]
    table[numbers] = table[numbers].astype(float)
    lines = [
        "# Continued pretraining",
        "",
        f"{arguments.backbone} at {arguments.image_size} px, a linear probe with {arguments.shots} labels per class. "
        f"SimSiam first trains the whole network for {arguments.epochs} epochs on the training pictures of the fold, "
        f"without labels, in batches of {arguments.batch_size}, at a rate of {RATES['all']:g} (projector and predictor "
        f"{RATES['head']:g}), with the views {', '.join(VIEWS)}. Each seed has its own test fold and its own labels, "
        "which all arms share. A control takes only norm statistics from these pictures, without training. Gains are "
        "paired by seed; the intervals of a task hold together with 95 % confidence. "
        f"Made by `benchmarks/continued_pretraining.py` on {'; '.join(table['processor'].unique())}, Python "
        f"{platform.python_version()}.",
    ]
    for task, cells in table.groupby("task", sort=False):
        gains = transfer_gain(cells, baseline=BASELINE).set_index("strategy")
        counts = f"{len(tasks[task])} pictures of {len(tasks[task].classes)} classes"
        lines += ["", f"## {task.capitalize()}, {counts}", ""]
        lines += [
            "| arm | accuracy | gain | verdict | seeds to tell | loss | output spread | steps | seconds | seeds |",
            "|---" * 10 + "|",
        ]
        for name, arm in cells.groupby("strategy", sort=False):
            means, gain, verdict, course = arm[numbers].mean(), "", "baseline | ", " | "
            if name in SIMSIAM:
                course = f"{means['first_loss']:.2f} to {means['last_loss']:.2f} | {means['output_spread']:.2f}"
            if name != BASELINE:
                found = gains.loc[name]
                gain = f"{found['gain']:+.3f} ({found['gain_low']:+.3f} to {found['gain_high']:+.3f})"
                n_seeds = found["n_seeds_to_tell"]
                verdict = f"{found['verdict']} | {'' if math.isnan(n_seeds) else format(n_seeds, '.0f')}"
            costs = f"{means['n_steps']:.0f} | {means['processor_s']:.0f} | {len(arm)}"
            lines.append(f"| {name} | {means['accuracy']:.3f} | {gain} | {verdict} | {course} | {costs} |")
    total_s = table["processor_s"].sum()
    return "\n".join([*lines, "", f"All {len(table)} cells took {total_s / 60:.0f} minutes of one core."]) + "\n"


if __name__ == "__main__":
    main()
