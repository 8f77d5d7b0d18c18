"""`tlkit compare`: compare strategies on a folder of pictures, with tables and a figure as output."""

import errno
import functools
import os
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import BACKBONE, IMAGE_SIZE, INSIDE, MERGE_TWINS, SKIP_BAD, blaming
from tlkit.cli.outputs import Record, check_writable, write_all, write_csv
from tlkit.cli.terminal import print_table, say

KEPT = "Each run is also written when it ends, to runs-partial.csv, which stays if the command doesn't reach its end."
_FILES = ("runs.csv", "predictions.csv", "comparison.csv", "comparison.png")
_COLUMNS = ("strategy", "shots", "accuracy", "gain", "verdict", "steps", "seconds")


def compare(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER", help="Folder of class folders, or a zip file; by default the bundled clip-art."
        ),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Folder or zip file with the test pictures of all runs, in the same classes.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the tables and the figure.")] = Path("tlkit-output"),
    backbone: Annotated[str, BACKBONE] = "efficientnet_lite0",
    strategies: Annotated[
        str, typer.Option(help="Names from the list of `tlkit strategies`, separated by commas.")
    ] = "from_scratch, hand_made, linear_probe, fine_tune, lp_ft",
    shots: Annotated[str, typer.Option(help="Training pictures per class; several numbers separated by commas.")] = "5",
    seeds: Annotated[int, typer.Option(help="Number of repetitions; best a multiple of 5, one per test fold.")] = 5,
    image_size_px: Annotated[int, IMAGE_SIZE] = 96,
    n_workers: Annotated[
        int | None,
        typer.Option("--workers", help="Runs trained at the same time, one per process; by default 2 if possible."),
    ] = None,
    bad: Annotated[bool, SKIP_BAD] = False,
    inside: Annotated[str | None, INSIDE] = None,
    merge_twins: Annotated[bool, MERGE_TWINS] = False,
):
    """Compare strategies; write runs.csv, predictions.csv, comparison.csv with verdicts, and comparison.png."""
    check_writable("--output", output, output)
    if folders := [path for name in _FILES if (path := output / name).is_dir()]:
        raise ValueError(f"--output: {folders[0]} is a folder, expected a file or nothing: name another folder")
    try:
        n_shots = [int(part) for part in shots.split(",")]
    except ValueError:
        raise ValueError(f"--shots: {shots!r}, expected whole numbers separated by commas, as in 1,5,20") from None
    import tlkit as tl

    settings = {"bad": "skip" if bad else "raise", "merge_twins": merge_twins}
    images = None if source is None else tl.load_images(source, inside=inside, **settings)
    with blaming("--test"):
        tested = None if test is None else tl.load_images(test, **settings)
    record = Record(output)
    names = [name.strip() for name in strategies.split(",")]
    options = {"image_size_px": image_size_px, "n_workers": _choose_workers() if n_workers is None else n_workers}
    options |= {"test": tested, "on_run": lambda runs, predictions: record.add(runs=runs, predictions=predictions)}
    try:
        comparison = tl.compare(backbone, images, names, n_shots, seeds, **options)
    except BaseException:
        if record.n_runs:
            say(record.describe(), is_note=True)
        raise
    _report(comparison, output, record)


def _choose_workers():
    """Return 2 if two processes can train at the same time on processors of their own, else 1."""
    from tlkit.comparison.workers import check_workers
    from tlkit.features.engines import has_gpu

    try:
        n_workers = check_workers(2)
    except ValueError:
        return 1
    return 1 if len(os.sched_getaffinity(0)) < 2 or has_gpu() else n_workers


def _report(comparison, output, record):
    """Write the tables and the figure, then print; nothing that fails keeps the rest from being written."""
    from tlkit.plots.comparison import save_comparison

    tables = comparison.runs, comparison.predictions, comparison.table
    writers = [functools.partial(write_csv, table) for table in tables]
    writers.append(functools.partial(save_comparison, comparison))
    paths = [output / name for name in _FILES]
    errors = write_all(zip(paths, writers, strict=True))
    if not errors and record.n_runs <= len(comparison.runs):
        record.remove()
    elif record.n_runs:  # also those of seeds that not all strategies have finished
        say(record.describe(), is_note=True)
    try:
        _print_comparison(comparison)
        for path in [path for path in paths if path not in errors]:
            say(f"wrote {path}")
    except OSError as error:
        if error.errno == errno.EPIPE:  # a reader such as head has seen enough
            raise
        raise OSError(f"the table can't be printed ({error.strerror}); the results are in {output}") from None
    for path, error in errors.items():
        raise OSError(f"{path} can't be written: {error}") from error


def _print_comparison(comparison):
    """Print the table of a comparison."""
    described = comparison.description
    title = f"{described['backbone']} at {described['image_size_px']} px, {described['pictures']}"
    if "test" in described:
        title += f", tested on {described['test']}"
    caption = f"means over seeds with 95 % intervals; gains in accuracy over {comparison.baseline} (simultaneous)"
    rows = []
    for row in comparison.table.itertuples():
        accuracy = f"{row.accuracy:.2f} ({row.accuracy_low:.2f} to {row.accuracy_high:.2f})"
        gain = f"{row.gain:+.2f} ({row.gain_low:+.2f} to {row.gain_high:+.2f})"
        has_gain = row.strategy != comparison.baseline
        costs = (f"{row.n_steps:.0f}", f"{row.duration_s:.1f}")
        rows.append((row.strategy, str(row.shots), accuracy, gain if has_gain else "", row.verdict, *costs))
    print_table(_COLUMNS, rows, title=title, caption=caption, left=("strategy", "verdict"))
