"""`tlkit study`: run a study from a file, look at a running one, and write its results."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import Commands
from tlkit.cli.outputs import check_writable
from tlkit.cli.terminal import say

FILE = typer.Argument(metavar="STUDY", help="The study's TOML file, or its store.")

study = Commands(no_args_is_help=True, help="Run a stored grid of runs, look at it, and write its results.")


@study.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="STUDY", help="The study's TOML file.")],
    n_workers: Annotated[int, typer.Option("--workers", help="Runs computed at the same time.")] = 1,
    rerun: Annotated[
        list[str] | None, typer.Option("--rerun", help="Also repeat stored runs: failed, or older.")
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option("--cluster", help="TOML file of a cluster, whose workers compute the runs.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only a few trial runs, and the time and disk of the others.")
    ] = False,
):
    """Run the cells that the study's store lacks; finished ones are kept if the command is stopped."""
    from tlkit.arguments import check_count, check_known
    from tlkit.studies.study import RERUN
    from tlkit.studies.study_file import open_cluster, read_study

    check_count("n_workers", n_workers, 1)
    check_known("rerun", rerun or (), RERUN)
    if cluster and not cluster.is_file():
        raise ValueError(f"cluster: {cluster} isn't there, expected a TOML file that describes a cluster")
    planned = read_study(file)
    if estimate:
        numbers = planned.estimate()
        say(
            f"{numbers['n_missing']} of {numbers['n_cells']} runs are missing: {numbers['worker_hours']:.2f} hours of "
            f"one worker, {numbers['store_mib']:.1f} MiB on disk"
        )
        return
    with open_cluster(cluster) if cluster else contextlib.nullcontext() as client:
        is_complete = planned.run(n_workers, client, rerun=rerun or ())
    say(repr(planned.status()))
    if not is_complete:
        raise KeyboardInterrupt


@study.command()
def status(file: Annotated[Path, FILE]):
    """Show how far a study is, also while another process runs it."""
    say(repr(_open(file).status()))


@study.command()
def page(
    file: Annotated[Path, FILE],
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("tlkit-output"),
    kind: Annotated[str, typer.Option(help="page: study.html; csv or parquet: tables.")] = "page",
):
    """Write a study's results as one HTML page, or as tables."""
    from tlkit.arguments import check_known
    from tlkit.studies.study_results import KINDS

    check_known("kind", [kind], KINDS)
    check_writable("--output", output, output)
    for path in _open(file).export(output, kind):
        say(f"wrote {path}")


def _open(file):
    """Return the `StudyResults` of a study's file or store."""
    from tlkit.studies.study_file import find_store
    from tlkit.studies.study_results import StudyResults

    store = find_store(file)
    if not store.exists():
        raise ValueError(f"file: {store} isn't there: `tlkit study run` makes it")
    return StudyResults(store)
