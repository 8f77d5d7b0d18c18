"""Every strategy of the catalogue on bundled clip-art, from few shots to all, tested in domain and on photographs.

Each row is written as soon as its run has ended, and finished runs are not repeated, so the table can be made in
several sittings. Prints the table and the grid head × learning rate × norm mode; with --report also writes Markdown.
"""

import argparse
import platform
import time
from pathlib import Path

from machine import describe_machine
from rows import append_row, read_rows

COLUMNS = (
    *("part", "strategy", "shots", "seed", "fold", "accuracy", "shared_accuracy", "photo_accuracy", "n_train"),
    *("n_trained", "trained_share", "n_steps", "processor_s", "processor"),
)
BASELINE = "linear_probe"
RATES = (1e-4, 2e-4, 5e-4, 1e-3)


def main():
    """Make the missing runs, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=128, help="height and width in pixels")
    parser.add_argument("--strategies", nargs="*", help="by default all of the catalogue")
    parser.add_argument("--shots", nargs="*", default=["5", "10", "all"], help='training pictures per class, or "all"')
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, each with its own test fold")
    parser.add_argument("--grid", action="store_true", help="also the grid, on the full training part")
    parser.add_argument("--grid-seeds", type=int, default=3)
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_name("strategies.csv"))
    parser.add_argument("--report", type=Path, help="a Markdown file")
    arguments = parser.parse_args()

    import torch

    import tlkit as tl

    # With one thread, processor time does not depend on other work of the machine.
    torch.set_num_threads(1)
    backbone = tl.load_backbone(arguments.backbone, image_size_px=arguments.image_size)
    strategies = {name: tl.strategies.get(name) for name in arguments.strategies or tl.strategies.names()}
    # Seed by seed, so that an interrupted table compares all strategies, with fewer seeds.
    cells = [
        ("catalogue", strategy, shots, seed)
        for seed in range(arguments.seeds)
        for shots in arguments.shots
        for strategy in strategies.values()
    ]
    if arguments.grid:
        cells += [("grid", arm, "all", seed) for seed in range(arguments.grid_seeds) for arm in make_grid()]
    done = {(row["part"], row["strategy"], row["shots"], row["seed"]) for row in read_rows(arguments.rows)}
    missing = [cell for cell in cells if (cell[0], cell[1].name, cell[2], str(cell[3])) not in done]
    print(f"{describe_machine()}; {len(missing)} of {len(cells)} runs are missing", flush=True)
    for part, strategy, shots, seed in missing:
        row = {"part": part, "strategy": strategy.name, "shots": shots, "seed": seed}
        row |= run_cell(backbone, strategy, shots, seed) | {"processor": describe_machine()}
        append_row(arguments.rows, row, COLUMNS)
        print(f"{strategy.name} {shots} {seed}: {row['accuracy']:.3f}, {row['processor_s']:.1f} s", flush=True)
    report = write_report(read_rows(arguments.rows), arguments)
    print(report)
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")


def make_grid():
    """Return the strategies head × learning rate × norm mode, all with the same steps; a probe's head needs none."""
    import tlkit as tl
    from tlkit.strategies.strategy import NORM_STATISTICS

    epochs = tl.strategies.get("fine_tune").phases[0].n_epochs
    arms = []
    for rate in RATES:
        for norms in NORM_STATISTICS:
            # A random head has ten times the learning rate, as in the catalogue.
            random = tl.Phase(["all", "head"], epochs, {"all": rate, "head": 10 * rate}, norm_statistics=norms)
            probed = tl.Phase(["all"], epochs, rate, norm_statistics=norms)
            arms.append(tl.Strategy([random], name=f"random head, {rate:g}, {norms} norms"))
            arms.append(tl.Strategy([tl.Phase(["head"], None), probed], name=f"probe's head, {rate:g}, {norms} norms"))
    return arms


def run_cell(backbone, strategy, shots, seed):
    """Train once; return the scores in domain, in domain on classes that photographs share, and on photographs."""
    import tlkit as tl
    from tlkit.images.splits import split_for

    images = tl.load_images("styles", domain="clipart")
    fold, train, test = split_for(images, seed)
    few = train if shots == "all" else train.few(int(shots), seed=seed)
    photos = tl.load_images("styles", domain="photo").disjoint_from(few)
    begun_s = time.process_time()
    run = tl.transfer(backbone, few, strategy, seed=seed, progress=False)
    processor_s = time.process_time() - begun_s
    in_domain, on_photos = run.evaluate(test).predictions, run.evaluate(photos).accuracy
    shared = in_domain[in_domain["label"].isin({photos.classes[label] for label in photos.labels})]
    cost = run.cost()
    return {
        "fold": fold,
        "accuracy": (in_domain["label"] == in_domain["predicted"]).mean(),
        "shared_accuracy": (shared["label"] == shared["predicted"]).mean(),
        "photo_accuracy": on_photos,
        "n_train": len(few),
        "n_trained": cost["n_trained"],
        "trained_share": cost["n_trained"] / cost["n_parameters"],
        "n_steps": run.n_steps,
        "processor_s": processor_s,
    }


def write_report(rows, arguments):
    """Return the tables of means over seeds with 95 % intervals, as Markdown."""
    import pandas as pd

    table = pd.DataFrame(rows)
    numbers = [column for column in COLUMNS[3:-1] if column in table]
    table[numbers] = table[numbers].astype(float)
    processors = "; ".join(table["processor"].unique())
    lines = [
        "# Strategies side by side",
        "",
        f"{arguments.backbone} at {arguments.image_size} px, bundled clip-art, each seed with its own test fold. "
        "Photographs are never trained on. Scores are shares of correct pictures: the mean over seeds with its 95 % "
        "interval (Student's t). `shared` counts only classes that photographs have too. Seconds are the processor "
        "time of one core, for training alone. Made by "
        f"`benchmarks/strategies.py` on {processors}, Python {platform.python_version()}.",
    ]
    for (part, shots), rows_of_part in table.groupby(["part", "shots"], sort=False):
        lines += ["", f"## {part.capitalize()}, {shots} shots", "", *tabulate(rows_of_part)]
        if part == "catalogue":
            lines += ["", f"Gain over `{BASELINE}` of the same seed:", "", *tabulate_gains(rows_of_part)]
        if part == "grid":
            lines += ["", "## Which one decides? Each arm at its best rate, chosen in domain", ""]
            lines += contrast(rows_of_part)
    return "\n".join(lines) + "\n"


def tabulate(rows):
    """Return the lines of a Markdown table, one row per strategy."""
    scores = ["accuracy", "shared_accuracy", "photo_accuracy"]
    lines = [
        "| strategy | clip-art | clip-art, shared | photographs | trained share | steps | seconds | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in rows.groupby("strategy", sort=False):
        words = [describe_mean(runs[score]) for score in scores]
        means = runs[["trained_share", "n_steps", "processor_s"]].mean()
        costs = f"{100 * means['trained_share']:.2f} % | {means['n_steps']:.0f} | {means['processor_s']:.1f}"
        lines.append(f"| {name} | {' | '.join(words)} | {costs} | {len(runs)} |")
    return lines


def tabulate_gains(rows):
    """Return the lines of a Markdown table: each strategy against the baseline, paired by seed."""
    base = rows[rows["strategy"] == BASELINE]
    lines = ["| strategy | clip-art | photographs | seeds |", "|---|---|---|---|"]
    for name, runs in rows[rows["strategy"] != BASELINE].groupby("strategy", sort=False):
        gains = pair_by_seed(base, runs)
        lines.append(f"| {name} | {' | '.join(map(describe_mean, gains))} | {len(gains[0])} |")
    return lines


def pair_by_seed(before, after):
    """Return the gains of the second rows over the first, (clip-art, photographs), one value per seed."""
    both = before.merge(after, on="seed")
    return [both[f"{score}_y"] - both[f"{score}_x"] for score in ("accuracy", "photo_accuracy")]


def contrast(rows):
    """Return the lines of a Markdown table: one setting of the grid changed, the other kept, paired by seed."""
    settings = rows["strategy"].str.split(", ", expand=True)
    arms = rows.join(settings.set_axis(["head", "rate", "norms"], axis=1))
    means = arms.groupby(["head", "norms", "rate"])["accuracy"].mean()
    best = {arm: means[arm].idxmax() for arm in means.index.droplevel("rate").unique()}
    lines = ["| what is changed | clip-art | photographs |", "|---|---|---|"]
    pairs = [(("random head", norms), ("probe's head", norms)) for norms in ("frozen norms", "moving norms")]
    pairs += [((head, "moving norms"), (head, "frozen norms")) for head in ("random head", "probe's head")]
    for before, after in pairs:
        chosen = [arms[(arms[["head", "norms", "rate"]] == [*arm, best[arm]]).all(axis=1)] for arm in (before, after)]
        words = " to ".join(f"{', '.join(arm)} ({best[arm]})" for arm in (before, after))
        lines.append(f"| {words} | {' | '.join(map(describe_mean, pair_by_seed(*chosen)))} |")
    return lines


def describe_mean(values):
    """Return a mean and its interval as text."""
    from tlkit.evaluation.intervals import t_interval

    low, high = t_interval(values)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})" if len(values) > 1 else f"{values.mean():.3f}"


if __name__ == "__main__":
    main()
