"""`tlkit train`: from a folder of class folders to a finished run folder."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import BACKBONE, INSIDE, MERGE_TWINS, SKIP_BAD, blaming
from tlkit.cli.outputs import check_writable
from tlkit.cli.terminal import say


def train(
    source: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder with a folder per class, or a zip of it.")],
    output: Annotated[Path, typer.Option(help="New or empty folder for the run and README.md.")] = Path("tlkit-run"),
    test: Annotated[
        str | None,
        typer.Option(help="Folder or zip of test pictures in the same classes; by default, a fifth is held out."),
    ] = None,
    backbone: Annotated[str, BACKBONE] = "efficientnet_lite0",
    seed: Annotated[int, typer.Option(help="Seed of the folds and of the training.")] = 0,
    bad: Annotated[bool, SKIP_BAD] = False,
    inside: Annotated[str | None, INSIDE] = None,
    merge_twins: Annotated[bool, MERGE_TWINS] = False,
):
    """Train a classifier, test it once, and write a run folder; after Ctrl-C, the same command continues."""
    check_writable("--output", output, output)
    import tlkit as tl

    settings = {"bad": "skip" if bad else "raise", "merge_twins": merge_twins}
    images = tl.load_images(source, inside=inside, **settings)
    with blaming("--test"):
        tested = None if test is None else tl.load_images(test, **settings)
    run = tl.train(images, output, test=tested, backbone=backbone, seed=seed)
    scores, place = run.report["test"], shlex.quote(str(output))
    say(f"Choice: {run.report['choice']['reason']}", is_note=True)
    found = "accuracy {accuracy:.2f} (95 % interval {accuracy_low:.2f} to {accuracy_high:.2f}) on {n} held-out pictures"
    say(found.format_map(scores) + f"; next: tlkit predict {place} PICTURES, or tlkit export {place} --kind web")
