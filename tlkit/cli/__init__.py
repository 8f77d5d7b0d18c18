"""The command `tlkit`, for use without a notebook. The only folder that prints."""

import errno
import warnings
from typing import Annotated

import typer

from tlkit import __version__
from tlkit.cli.backbones import backbones
from tlkit.cli.cache import cache
from tlkit.cli.claims import claims
from tlkit.cli.compare import KEPT, compare
from tlkit.cli.export import export
from tlkit.cli.extract import CONTENT, extract
from tlkit.cli.lessons import lessons
from tlkit.cli.options import Commands, translate
from tlkit.cli.predict import COLUMNS, predict
from tlkit.cli.strategies import strategies
from tlkit.cli.study import study
from tlkit.cli.terminal import drop_unprinted, robust_streams, say
from tlkit.cli.train import train

app = Commands(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command(epilog=KEPT)(compare)
app.command(epilog=CONTENT)(extract)
app.command()(export)
app.command(epilog=COLUMNS)(predict)
app.command()(strategies)
app.command()(train)
app.add_typer(backbones, name="backbones")
app.add_typer(cache, name="cache")
app.add_typer(claims, name="claims")
app.add_typer(lessons, name="lessons")
app.add_typer(study, name="study")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _print_version(is_wanted: bool):
    """Print the version and end the command."""
    if is_wanted:
        say(f"tlkit {__version__}")
        raise typer.Exit


@app.callback()
def _tlkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
):
    """Teach and research transfer learning."""


@app.command()
def doctor():
    """Check the installation and offline use, and show how to repair them."""
    from tlkit.cli.installation import examine

    findings = examine()
    for finding in findings:
        say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject}: {finding.found}")
        if not finding.ok:
            say(f"       {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def main():
    """Run the command; an error is one line, without a traceback."""
    warnings.showwarning = lambda message, *_: say(f"note: {translate(str(message))}", is_note=True)
    with robust_streams():
        try:
            app()
        except (ValueError, TypeError, OSError, RuntimeError, ModuleNotFoundError) as error:
            advice = ": free some space, then repeat the command" if getattr(error, "errno", 0) in _FULL else ""
            say(f"tlkit: {translate(str(error))}{advice}", is_note=True)
            raise SystemExit(1) from None
        finally:
            drop_unprinted()
