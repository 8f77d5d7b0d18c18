"""`tlkit compare`: compare strategies on a folder of pictures, with tables and a figure as output."""

from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.tables import print_table

_COLUMNS = ("strategy", "shots", "accuracy", "gain", "verdict", "steps", "seconds")


def compare(
    folder: Annotated[
        str | None, typer.Argument(help="Folder of class folders, or a zip file; by default the bundled clip-art.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the tables and the figure.")] = Path("tlkit-output"),
    backbone: Annotated[str, typer.Option(help="Name of the pretrained network.")] = "efficientnet_lite0",
    strategies: Annotated[
        str, typer.Option(help="Names of strategies, separated by commas.")
    ] = "from_scratch,hand_made,linear_probe,fine_tune,lp_ft",
    shots: Annotated[str, typer.Option(help="Training pictures per class; several numbers separated by commas.")] = "5",
    seeds: Annotated[int, typer.Option(help="Number of repetitions; best a multiple of 5, one per test fold.")] = 5,
    image_size: Annotated[int, typer.Option(help="Height and width of the network's input, in pixels.")] = 96,
    workers: Annotated[
        int | None, typer.Option(help="Runs trained at the same time, one per process; by default 2 if possible.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable pictures.")] = False,
):
    """Compare strategies; write runs.csv, predictions.csv, comparison.csv with verdicts, and comparison.png."""
    import tlkit as tl
    from tlkit.comparison.workers import choose_workers

    images = tl.load_images(folder, bad="skip" if skip_bad else "raise") if folder else None
    comparison = tl.compare(
        backbone,
        images,
        [name.strip() for name in strategies.split(",")],
        _whole_numbers("--shots", shots),
        seeds,
        image_size_px=image_size,
        n_workers=choose_workers() if workers is None else workers,
    )
    _print_comparison(comparison)
    for path in _write_comparison(comparison, output):
        typer.echo(f"wrote {path}")


def _whole_numbers(option, text):
    """Return the numbers of an option (list of int)."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option}: {text!r}, expected whole numbers separated by commas, as in 1,5,20") from None


def _print_comparison(comparison):
    """Print the table of a comparison."""
    described = comparison.description
    title = f"{described['backbone']} at {described['image_size_px']} px, {described['pictures']}"
    caption = f"means over seeds with 95 % intervals; gains in accuracy over {comparison.baseline} (simultaneous)"
    rows = []
    for row in comparison.table.itertuples():
        accuracy = f"{row.accuracy:.2f} ({row.accuracy_low:.2f} to {row.accuracy_high:.2f})"
        gain = f"{row.gain:+.2f} ({row.gain_low:+.2f} to {row.gain_high:+.2f})"
        has_gain = row.strategy != comparison.baseline
        costs = (f"{row.n_steps:.0f}", f"{row.duration_s:.1f}")
        rows.append((row.strategy, str(row.shots), accuracy, gain if has_gain else "", row.verdict, *costs))
    print_table(_COLUMNS, rows, title=title, caption=caption, left=("strategy", "verdict"))


def _write_comparison(comparison, output):
    """Write tables and figure of a comparison into a folder; yield each path once it is written."""
    from tlkit.plots import save_comparison
    from tlkit.storage import written_whole

    tables = {"runs": comparison.runs, "predictions": comparison.predictions, "comparison": comparison.table}
    for name, table in tables.items():
        with written_whole(output / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
        yield output / f"{name}.csv"
    with written_whole(output / "comparison.png") as temporary:
        save_comparison(comparison, temporary)
    yield output / "comparison.png"
