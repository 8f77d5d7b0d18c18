"""`progress.json` in the folder of the open lesson: kept predictions and checked exercises. Without torch."""

import functools
import json
import re
from pathlib import Path

from tlkit.languages import find_notebook
from tlkit.storage import cache_folder, locked, written_whole

_LOCK_TIMEOUT_S = 10


def find_entry(kind, name):
    """Return an entry (dict) of the open lesson, empty if there is none; kind is "predictions" or "exercises"."""
    path, lesson = find_file()
    try:
        entry = read_file(path) if lesson else {}
    except (OSError, ValueError):  # `keep_entry` reports it
        return {}
    for key in ("lessons", lesson, kind, name):
        entry = entry.get(key)
        if not isinstance(entry, dict):
            return {}
    return entry


def keep_entry(kind, name, **values):
    """Change values of an entry; return "" if it was done, why not if it couldn't be, None if no lesson is open."""
    path, lesson = find_file()
    if not lesson:
        return None
    try:
        # Two lessons share a file. The lock is in the cache folder, so that it leaves nothing beside the lesson.
        with locked(cache_folder() / "progress.lock", _LOCK_TIMEOUT_S):
            content = entry = read_file(path)
            for key in ("lessons", lesson, kind, name):
                entry = entry.setdefault(key, {})
            entry.update(values)
            with written_whole(path) as temporary:
                temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    except OSError as error:
        return f"{path} can't be written: {error.strerror or error}."
    except ValueError as error:
        return str(error)
    return ""


def keep_try(name, passed):
    """Count a try of an exercise until it is passed; return what `keep_entry` does, "" if it was passed before."""
    entry = find_entry("exercises", name)
    if entry.get("passed") is True:
        return ""
    n_before = tries if isinstance(tries := entry.get("tries"), int) else 0
    return keep_entry("exercises", name, passed=passed, tries=n_before + 1)


@functools.cache
def find_file():
    """Return (path, number or name of the lesson); None for the second if no notebook is open."""
    notebook = Path(find_notebook())
    lesson = re.match(r"\d*", notebook.stem).group() or notebook.stem
    return Path.cwd() / "progress.json", lesson if notebook.suffix == ".ipynb" else None


def read_file(path):
    """Return the content of a file (dict), empty if it doesn't exist; raise ValueError if it isn't one of progress."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))  # some editors add a mark
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict) or not _is_nested(content.get("lessons"), 3):
        found = f"{path} isn't a list of progress that tlkit wrote"
        raise ValueError(f"{found}. It stays as it is; move it to another folder.")
    return content


def _is_nested(content, depth):
    """Return whether a value is a dict, of dicts, and so on."""
    return isinstance(content, dict) and (not depth or all(_is_nested(each, depth - 1) for each in content.values()))
