"""The lessons, with the progress that `progress.json` keeps. Without torch."""

import json
import re
from pathlib import Path

import pandas as pd

from tlkit.course import find_course
from tlkit.lessons.progress import find_file, read_file

# Kind of an entry in `progress.json`, what it has if it counts, and how a lesson names it.
_COUNTED = (
    ("predictions", "chips", r'\bPrediction\(\s*"(\w+)"'),
    ("exercises", "passed", r'\blessons\.check\(\s*"(\w+)"'),
)


def status(folder: str | Path | None = None) -> pd.DataFrame:
    """Return the lessons of the course, with the progress of a reader.

    Parameters
    ----------
    folder : str or path-like, optional
        Folder of the reader's copies; by default that of the open lesson. If no notebook is open, there is no progress.

    Returns
    -------
    DataFrame
        One row per lesson, with these columns:

        - lesson, title (str): its number and its question.
        - minutes (str): how long it takes, such as "45 to 60".
        - predictions, exercises (str): how many were kept or passed, such as "1 of 3".

    Raises
    ------
    ValueError
        If `progress.json` in the folder isn't a file of progress.

    Examples
    --------
    >>> list(status())
    ['lesson', 'title', 'minutes', 'predictions', 'exercises']
    """
    path, lesson = find_file()
    kept = read_file(Path(folder).expanduser() / path.name if folder else path) if folder or lesson else {}
    rows = []
    for notebook in sorted((find_course() / "notebooks").glob("[0-9]*.ipynb")):
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        row = [notebook.name.partition("_")[0]]
        row += [re.search(pattern, text, re.MULTILINE)[1] for pattern in (r"^# (.+)$", r"\*\* · (.+?) minutes")]
        for kind, key, pattern in _COUNTED:
            names = set(re.findall(pattern, text))
            entries = kept.get("lessons", {}).get(row[0], {}).get(kind, {})
            row.append(f"{sum(bool(entries.get(name, {}).get(key)) for name in names)} of {len(names)}")
        rows.append(row)
    return pd.DataFrame(rows, columns=["lesson", "title", "minutes", "predictions", "exercises"])
