"""The command `tlkit`, for use without a notebook. The only folder that prints."""

import warnings

import typer

from tlkit.cli.backbones import backbones
from tlkit.cli.cache import cache
from tlkit.cli.compare import KEPT, compare
from tlkit.cli.extract import CONTENT, extract
from tlkit.cli.terminal import drop_unprinted, robust_streams, say

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command(epilog=KEPT)(compare)
app.command(epilog=CONTENT)(extract)
app.add_typer(backbones, name="backbones")
app.add_typer(cache, name="cache")


@app.callback()
def _tlkit():
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
    warnings.showwarning = lambda message, *_: say(f"note: {message}", is_note=True)
    with robust_streams():
        try:
            app()
        except KeyboardInterrupt:
            say("interrupted", is_note=True)
            raise SystemExit(130) from None
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            say(f"tlkit: {error}", is_note=True)
            raise SystemExit(1) from None
        finally:
            drop_unprinted()
