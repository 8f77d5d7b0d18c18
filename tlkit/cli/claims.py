"""`tlkit claims`: list the claims of the lessons with their rates, and replicate them."""

from typing import Annotated

import typer

from tlkit.cli.options import Commands
from tlkit.cli.terminal import print_table, say

_COLUMNS = ("lesson", "claim", "holds", "minutes")
NAMES = typer.Argument(metavar="NAME", help="Names of claims or numbers of lessons, such as 05; all by default.")

claims = Commands(no_args_is_help=True, help="List the claims of the lessons, and replicate them.")


@claims.command("list")
def list_claims(names: Annotated[list[str] | None, NAMES] = None):
    """List claims, with the number of replications in which each holds."""
    import tlkit as tl

    table = tl.claims.table()
    shown = table[table["name"].isin([claim.name for claim in tl.claims.show(*names or ())])]
    rows = [
        (row.lesson, row.name, f"{row.n_holding} of {row.n_replications}", f"{row.duration_s / 60:.1f}")
        for row in shown.rename_axis(None).itertuples(index=False)
    ]
    caption = "holds: in how many replications; minutes: computing time of all of them"
    print_table(_COLUMNS, rows, title=f"{len(rows)} claims", caption=caption, left=("lesson", "claim"))


@claims.command()
def run(
    names: Annotated[list[str] | None, NAMES] = None,
    n_workers: Annotated[int, typer.Option("--workers", help="Replications measured at the same time.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Replace the replications that are there.")] = False,
):
    """Run the replications that are missing; those that are finished are kept if the command is stopped."""
    from tlkit.claims.replicate import replicate

    for claim in replicate(*names or (), n_workers=n_workers, again=again):
        say(repr(claim))
