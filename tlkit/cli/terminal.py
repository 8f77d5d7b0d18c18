"""The terminal: text that any screen can show, tables, and streams that may be closed, full or of another encoding."""

import contextlib
import os
import re
import sys

import typer

# Control characters, such as the escape that begins a command to the terminal, halves of surrogate pairs, separators
# of lines, and characters that reverse the order of those that follow.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDTH_IN_A_FILE = 180  # a file or a pipe has no width of its own


def make_printable(text, keep=""):
    r"""Return a text in which control characters, other than those to keep, are shown as Python escapes them.

    >>> print(make_printable("pets\x1b[8m"))
    pets\x1b[8m
    """
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] in keep else repr(match[0])[1:-1], text)


def say(text, *, is_note=False):
    """Print a text that may contain names of files or classes; a note goes to the error stream."""
    typer.echo(make_printable(str(text), keep="\n"), err=is_note)


def print_table(columns, rows, *, title, caption, left):
    """Print a table of texts; `left` are the columns to align left, the others hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Texts, not str: rich takes what stands between brackets or colons for a style or an emoji.
    table = Table(title=Text(make_printable(title)), box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(make_printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_IN_A_FILE
    console.print(table)
    console.print(Text(make_printable(caption, keep="\n")))


class ErrorStream:
    """The error stream, whose failures stop nothing: a bar or a note isn't worth the results."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """Write a text if possible."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)

    def flush(self):
        """Write what waits in the buffer if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()


@contextlib.contextmanager
def robust_streams():
    """Replace letters that the screen's encoding lacks, and let no failure of the error stream stop the command."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    with contextlib.redirect_stderr(sys.stderr and ErrorStream(sys.stderr)):
        yield


def drop_unprinted():
    """Drop output that can't be printed, which would fail again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
