"""The lessons, with the progress that `progress.json` keeps. Without torch."""

from pathlib import Path

import pandas as pd

from tlkit.lessons.copies import read_lessons
from tlkit.lessons.progress import find_file, read_file


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
    kept = read_file(Path(folder) / path.name if folder else path) if folder or lesson else {}
    rows = []
    for each in read_lessons():
        counts = []
        for kind, names, key in (("predictions", each.predictions, "chips"), ("exercises", each.exercises, "passed")):
            entries = kept.get("lessons", {}).get(each.number, {}).get(kind, {})
            counts.append(f"{sum(bool(entries.get(name, {}).get(key)) for name in names)} of {len(names)}")
        rows.append((each.number, each.title, each.minutes, *counts))
    return pd.DataFrame(rows, columns=["lesson", "title", "minutes", "predictions", "exercises"])
