"""The terminal: text that any screen can show, tables, and streams that may be closed, full or of another encoding."""

import contextlib
import os
import sys

import typer

from tlkit.names import make_printable

_LONG = 60  # letters from which on a cell takes lines of its own
_WIDTH_IN_A_FILE = 180  # a file or a pipe has no width of its own


def _write(text):
    """Return a text of one or more lines without control characters."""
    return "\n".join(map(make_printable, str(text).split("\n")))


def say(text, *, is_note=False):
    """Print a text that may contain names of files or classes; a note goes to the error stream."""
    typer.echo(_write(text), err=is_note)


def print_table(columns, rows, *, title, caption, left):
    """Print a table of texts; `left` are the columns to align left, the others hold numbers."""
    # On a screen that is too narrow for the longest words, each row is a list of its cells.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.padding import Padding
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
    if table.__rich_measure__(console, console.options.update_width(10_000)).minimum <= console.width:
        console.print(table)
    else:
        say(f"{title}\n")
        between = "\n" if max(len(cell) for row in rows for cell in row) > _LONG else ", "
        for row in rows:
            console.print(Text(make_printable(row[0]), "bold"))
            cells = zip(columns[1:], row[1:], strict=True)
            text = between.join(make_printable(f"{column}: {cell}") for column, cell in cells if cell)
            console.print(Padding(Text(text), (0, 0, 1, 2)))
    console.print(Text(_write(caption)))


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
    """Drop output that can't be printed, which would fail again when Python ends, with an exit status of its own."""
    for stream in filter(None, (sys.stdout, getattr(sys.stderr, "_stream", sys.stderr))):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
