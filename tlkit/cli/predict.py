"""`tlkit predict`: classify new pictures with a saved run, row by row."""

import contextlib
import csv
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import blaming
from tlkit.cli.outputs import check_writable, defuse, make_partial
from tlkit.cli.terminal import say
from tlkit.names import make_printable

STATUS = (
    "Columns: file_name, class, probability, rejected if --reject is given, class_2, probability_2 … up to --top, and "
    "note. If a picture can't be read, its row is empty but for the reason in note, and the exit status is 3."
)
_N_DIGITS = 6


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run, or its folder export/openvino.")],
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURES", help="Files, folders or zips; - reads file names, one per line.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .jsonl (JSON lines). By default, CSV is printed.")
    ] = None,
    top: Annotated[int, typer.Option(help="Number of classes per picture, the most probable first.")] = 1,
    reject: Annotated[
        float | None, typer.Option(help="Share of pictures of known classes that may be rejected, such as 0.05.")
    ] = None,
):
    """Classify new pictures with a saved run; without torch if it was exported to OpenVINO."""
    from tlkit.arguments import check_count
    from tlkit.notices import show_progress

    check_count("top", top, 1)
    if output is not None and (output.suffix not in (".csv", ".jsonl") or output.is_dir()):
        raise ValueError(f"--output: {str(output)!r}, expected a file that ends in .csv or .jsonl")
    if output is not None:
        check_writable("--output", output, output.parent)
    files, total = _gather(pictures)
    predictor = _open(run)
    threshold = None if reject is None else predictor.find_threshold(reject)
    n_rows, n_bad, start_s = 0, 0, time.perf_counter()
    with (
        _open_output(output) as write,
        show_progress(total, "predictions", "picture", output is not None) as bar,
    ):
        for found in predictor.stream(files):
            write(_make_row(found, predictor.classes, top, threshold))
            n_rows, n_bad = n_rows + 1, n_bad + (found.error is not None)
            bar.update()
    duration_s = time.perf_counter() - start_s
    if output is not None:
        say(f"{n_rows} pictures in {duration_s:.1f} s ({n_rows / duration_s:,.0f} per second), written to {output}")
    if n_bad:
        say(f"{n_bad} of {n_rows} pictures can't be read; the column note names the reasons", is_note=True)
        raise typer.Exit(3)


def _gather(places):
    """Return an iterator of the pictures' files, and their number, or None if names come from standard input."""
    listed = [None if place == "-" else _list_files(place) for place in places]
    files = itertools.chain.from_iterable(_read_names() if part is None else part for part in listed)
    return files, None if None in listed else sum(map(len, listed))


def _read_names():
    """Yield the files that standard input names, one per line."""
    from tlkit.images.files import PictureFile

    for line in sys.stdin:
        if name := line.rstrip("\r\n"):
            yield PictureFile(name)


def _list_files(place):
    """Return the files of the pictures in a folder or zip, sorted, or one file."""
    from tlkit.images.archives import list_archive
    from tlkit.images.files import PictureFile
    from tlkit.images.formats import EXTENSIONS
    from tlkit.images.inputs import list_path

    path = Path(place)
    if not path.exists():
        raise FileNotFoundError(f"PICTURES: {place!r} is no file or folder: correct its path")
    if path.suffix.casefold() != ".zip" or path.is_dir():
        return [PictureFile(found) for found in list_path("PICTURES", path)]
    with blaming("PICTURES"):
        files = list_archive(path).files
    if pictures := [files[name] for name in sorted(files) if name.suffix.casefold() in EXTENSIONS]:
        return pictures
    raise ValueError(f"PICTURES: {place} holds no picture ({len(files)} other files), expected pictures")


def _open(folder):
    """Return a `Predictor` of the folder of a run or export."""
    from tlkit.export.predictor import FACTS, load_predictor, predictor_of

    if not (folder / "run.json").is_file() or (folder / "export" / "openvino" / FACTS).is_file():
        return load_predictor(folder)
    say(
        f"no OpenVINO export in {folder}, so torch is used; `tlkit export {folder} --kind openvino` makes one",
        is_note=True,
    )
    from tlkit.training.saved_run import load_run

    return predictor_of(load_run(folder))


def _make_row(found, classes, n_top, threshold):
    """Return the row of a `Prediction`, {column: value}."""
    from tlkit.images.scan import explain

    row = {"file_name": make_printable(found.name)}
    for place, index in enumerate((-found.probabilities).argsort(kind="stable")[:n_top], 1):
        end = "" if place == 1 else f"_{place}"
        probability = round(float(found.probabilities[index]), _N_DIGITS)
        row |= {f"class{end}": make_printable(classes[index]), f"probability{end}": probability}
        if place == 1 and threshold is not None:
            row["rejected"] = bool(found.familiarity < threshold)
    if found.error is None:
        return row | {"note": ""}
    return dict.fromkeys(row) | {"file_name": row["file_name"], "note": make_printable(explain(found.error))}


@contextlib.contextmanager
def _open_output(path):
    """Give a function that writes a row; the file is another one until the end, and stays if that isn't reached."""
    partial = make_partial(path) if path else None
    n_rows = 0
    try:
        # Line by line, so that every row is in the file if the command is killed.
        with open(partial, "w", 1, "utf-8", newline="") if partial else contextlib.nullcontext(sys.stdout) as file:
            table = csv.writer(file, lineterminator="\n")

            def write(row):
                nonlocal n_rows
                if path and path.suffix == ".jsonl":
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                else:
                    if not n_rows:
                        table.writerow(row)
                    table.writerow(map(defuse, row.values()))
                n_rows += 1

            yield write
            file.flush()
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
