"""`tlkit predict`: classify new pictures with a saved run, row by row."""

import contextlib
import csv
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import blaming, translate
from tlkit.cli.outputs import check_writable, make_partial
from tlkit.cli.terminal import say
from tlkit.names import defuse, make_printable

COLUMNS = (
    "Columns: file_name, class, probability, rejected (if unlike all classes), class_2, probability_2 … (--top), note. "
    "An unreadable picture has only name and note, and the exit status is 3. In CSV, an apostrophe precedes =, + and -."
)
_TEXT = {"encoding": "utf-8", "newline": ""}


def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its export/openvino.")],
    places: Annotated[
        list[str], typer.Argument(metavar="PICTURES", help="Files, folders, zips, or - to read names, one per line.")
    ],
    output: Annotated[Path | None, typer.Option(help="File to write, .csv or .jsonl; else CSV is printed.")] = None,
    top: Annotated[int, typer.Option(help="Number of classes per picture, the most probable first.")] = 1,
    reject: Annotated[float | None, typer.Option(help="Share of known pictures to reject, such as 0.05.")] = None,
):
    """Classify new pictures with a saved run, without torch if the run was exported to OpenVINO."""
    from tlkit.arguments import check_count
    from tlkit.evaluation.rejection import check_share
    from tlkit.notices import show_progress

    check_count("top", top, 1)
    if reject is not None:
        check_share("reject", reject)
    if output is not None:
        if output.suffix not in (".csv", ".jsonl") or output.is_dir():
            raise ValueError(f"--output: {str(output)!r}, expected a file, not a folder, that ends in .csv or .jsonl")
        check_writable("--output", output, output.parent)
    files = itertools.chain.from_iterable([_list_files(place) for place in places])
    predictor, n_rows, n_bad = _open(folder), 0, 0
    with _written_by_row(output) as write, show_progress(None, "predictions", "picture", output is not None) as bar:
        for found in predictor.stream(files, reject):
            row = predictor.describe(found, top) | {"note": ""}
            if found.error:
                reason = getattr(found.error, "reason", getattr(found.error, "strerror", None)) or str(found.error)
                row = dict.fromkeys(row) | {"file_name": found.name, "note": translate(reason)}
            write(row)
            n_rows, n_bad = n_rows + 1, n_bad + bool(found.error)
            bar.update()
        if not n_rows:
            raise ValueError("PICTURES: there is no picture, expected files, folders or zips with pictures")
    if output is not None:
        say(f"{n_rows} predictions are in {output}")
    if n_bad:
        say(f"{n_bad} of {n_rows} pictures can't be read; the column note has the reasons", is_note=True)
        raise typer.Exit(3)


def _list_files(place):
    """Return the pictures' files of a folder or zip, sorted, or one file; for "-" those that standard input names."""
    from tlkit.images.files import PictureFile
    from tlkit.images.formats import NAMED
    from tlkit.images.inputs import list_path
    from tlkit.images.trees import list_archive

    if place == "-":
        names = (name.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r") for name in _read_names(sys.stdin.buffer))
        return (PictureFile(os.fsdecode(name)) for name in names if name)
    path = Path(os.path.expanduser(place))
    if not os.path.exists(path):  # Path.exists raises an error for a name that is too long
        raise FileNotFoundError(f"PICTURES: {place!r} is no file or folder: correct its path")
    if path.suffix.casefold() != ".zip" or path.is_dir():
        return [PictureFile(found) for found in list_path("PICTURES", path)]
    with blaming("PICTURES"):
        files = list_archive(path).files
    return [files[name] for name in sorted(files) if name.suffix.casefold() in NAMED]


def _read_names(stream):
    """Yield the names of a binary stream, one per line, or between zero bytes as `find -print0` writes them."""
    end, rest = None, b""
    while block := stream.read1():
        end = end or (b"\0" if b"\0" in block else b"\n")
        *names, rest = (rest + block).split(end)
        yield from names
    yield rest


def _open(folder):
    """Return the `Predictor` of the folder of a run or export."""
    from tlkit.export.predictor import FACTS, load_predictor, predictor_of

    if not (folder / "run.json").is_file() or (folder / "export" / "openvino" / FACTS).is_file():
        return load_predictor(folder)
    say(f"torch is used, which starts slowly; `tlkit export {folder} --kind openvino` avoids that", is_note=True)
    from tlkit.training.saved_run import load_run

    return predictor_of(load_run(folder))


@contextlib.contextmanager
def _written_by_row(path):
    """Give a function that writes a row; the file has another name until the end, and stays if that isn't reached."""
    partial, n_rows = path and make_partial(path), 0

    def write(row):
        nonlocal n_rows
        row = {name: make_printable(value) if isinstance(value, str) else value for name, value in row.items()}
        if path and path.suffix == ".jsonl":
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            header = [] if n_rows else [row]
            csv.writer(file, lineterminator="\n").writerows([*header, map(defuse, row.values())])
        file.flush()  # so that the row is there even if the command is killed
        n_rows += 1

    try:
        with open(partial, "w", **_TEXT) if partial else contextlib.nullcontext(sys.stdout) as file:
            yield write
            if partial:
                os.fsync(file.fileno())
    except BaseException:
        if n_rows and partial:
            say(f"stopped; {n_rows} predictions are kept in {partial}", is_note=True)
        elif partial:
            partial.unlink()
        raise
    if partial:
        partial.replace(path)
