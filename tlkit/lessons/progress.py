"""`progress.json` in the folder of the open lesson: kept predictions and passed exercises. Without torch."""

import datetime
import functools
import json
import os
import re
from pathlib import Path

from tlkit.storage import cache_folder, locked, written_whole

FILE_NAME = "progress.json"
_LOCK_TIMEOUT_S = 10


def find_entry(kind, name):
    """Return an entry (dict) of the open lesson, empty if there is none; kind is "predictions" or "exercises"."""
    folder, lesson = find_lesson()
    lessons = _read(folder / FILE_NAME) if lesson else None
    entry = lessons or {}
    for key in (lesson, kind, name):
        entry = entry.get(key)
        if not isinstance(entry, dict):
            return {}
    return entry


def keep_entry(kind, name, **values):
    """Change values of an entry of the open lesson; return why that was impossible, "" if it was done."""
    folder, lesson = find_lesson()
    if not lesson:
        return "no lesson is open in Jupyter"
    path = folder / FILE_NAME
    try:
        # The lock, in the cache folder, leaves nothing beside the lesson. Two lessons share a file.
        with locked(cache_folder() / "progress.lock", _LOCK_TIMEOUT_S):
            lessons = _read(path)
            if lessons is None:
                return f"{path} isn't a file of progress, so it is left as it is; move it to another place"
            entry = lessons.setdefault(lesson, {}).setdefault(kind, {}).setdefault(name, {})
            entry.update(values)
            with written_whole(path) as temporary:
                temporary.write_text(json.dumps({"lessons": lessons}, indent=1, ensure_ascii=False), "utf-8")
    except (OSError, AttributeError) as error:  # a disk that is full or read-only; values of other types in the file
        return f"{path} can't be written ({type(error).__name__}: {error})"
    return ""


@functools.cache
def find_lesson():
    """Return (working folder at the first call, number or name of the lesson); None for the second without one."""
    # Jupyter's server names the notebook to its kernels. Scripts, tests and batch runs have none and leave no trace.
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if notebook.suffix != ".ipynb":
        return Path.cwd(), None
    number = re.match(r"\d+", notebook.stem)
    return Path.cwd(), number.group() if number else notebook.stem


def now():
    """Return the time in UTC, to the second, as text."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(path):
    """Return {lesson: entries} of a file, empty if it doesn't exist, None if it isn't a file of progress."""
    try:
        lessons = json.loads(path.read_text("utf-8"))["lessons"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return lessons if isinstance(lessons, dict) else None
