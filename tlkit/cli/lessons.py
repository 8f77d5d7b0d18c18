"""`tlkit lessons`: list the lessons, copy them to a folder of one's own, open a copy, and show the progress."""

import shlex
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from tlkit.cli.options import Commands
from tlkit.cli.outputs import check_writable
from tlkit.cli.terminal import print_table, say
from tlkit.course import COPIES
from tlkit.languages import ENGLISH

_FOLDER = typer.Option("--folder", help="Folder of your copies.")
_LANGUAGE = typer.Option("--language", help="Language of the texts of the lessons, such as zh.")

lessons = Commands(help="List the lessons of the course, and copy and open them.")


@lessons.callback(invoke_without_command=True)
def _list_lessons(context: typer.Context):
    """List the lessons of the course, or copy and open them."""
    if context.invoked_subcommand is None:
        _print_lessons(("lesson", "title", "minutes"), None, "tlkit lessons open 01 opens a copy of a lesson")


@lessons.command()
def status(copies: Annotated[Path, _FOLDER] = Path(COPIES)):
    """Show which predictions you kept and which exercises you passed."""
    caption = f"predictions kept and exercises passed, from {copies / 'progress.json'} (none if it is missing)"
    _print_lessons(("lesson", "title", "predictions", "exercises"), copies, caption)


@lessons.command()
def copy(copies: Annotated[Path, _FOLDER] = Path(COPIES), language: Annotated[str, _LANGUAGE] = ENGLISH):
    """Copy all lessons without outputs; copies that you changed stay as they are."""
    check_writable("--folder", copies, copies)
    import tlkit as tl

    n_copies, options = len(tl.lessons.copy(copies, language=language)), f"--folder {shlex.quote(str(copies))}"
    say(f"{n_copies} lessons are in {copies}; next: tlkit lessons open 01 {options} --language {language}")


@lessons.command("open", context_settings={"allow_extra_args": True})
def open_copy(
    context: typer.Context,
    lesson: Annotated[str, typer.Argument(metavar="LESSON", help="Number of the lesson, such as 05.")] = "00",
    copies: Annotated[Path, _FOLDER] = Path(COPIES),
    language: Annotated[str, _LANGUAGE] = ENGLISH,
    browser: Annotated[bool, typer.Option(help="Open a browser, or only print the address.")] = True,
):
    """Copy the lessons if they are missing, and open one in JupyterLab; options of JupyterLab follow two dashes."""
    check_writable("--folder", copies, copies)
    import tlkit as tl
    from tlkit.arguments import check_known
    from tlkit.course import find_course

    check_known("lesson", lesson, tl.lessons.status()["lesson"].tolist())
    paths = tl.lessons.copy(copies, language=language)
    from jupyterlab.labapp import LabApp

    say(f"{paths[lesson]} is yours: change it as you like", is_note=True)
    own = [f"--ServerApp.root_dir={copies.absolute()}", f"--LabApp.default_url=/lab/tree/{quote(paths[lesson].name)}"]
    own.append(f"--LabApp.app_settings_dir={find_course() / 'binder'}")  # overrides.json: explorers stay when saved
    LabApp.launch_instance([*own, *([] if browser else ["--no-browser"]), *context.args])


@lessons.command()
def quiz(
    name: Annotated[str, typer.Argument(metavar="LESSON", help='Number of the lesson, or "inventory".')],
    kind: Annotated[str, typer.Option(help="markdown, or gift, which Moodle imports.")] = "markdown",
):
    """Print the questions of a lesson with their answers, to print or to import."""
    import tlkit as tl

    say(tl.lessons.export_quiz(name, kind).rstrip())


def _print_lessons(columns, folder, caption):
    """Print columns of the table of lessons."""
    import tlkit as tl

    rows = list(tl.lessons.status(folder)[list(columns)].itertuples(index=False))
    print_table(columns, rows, title=f"{len(rows)} lessons", caption=caption, left=("lesson", "title"))
