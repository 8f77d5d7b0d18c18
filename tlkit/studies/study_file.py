"""A study as a TOML file: the arguments of `Study`, with paths relative to the file."""

import inspect
import tomllib
from pathlib import Path

from tlkit.arguments import check_known

STORE = "study.sqlite"


def read_study(path):
    """Return the `Study` of a file; errors name the file and the argument."""
    from tlkit.studies.study import Study

    path, arguments = Path(path), _read(path)
    try:
        known = [name for name in inspect.signature(Study).parameters if name != "settings"]
        check_known("the name of an argument", arguments, [*known, "settings"])
        settings = arguments.pop("settings", {})
        arguments["store"] = find_store(path)
        for name, given in arguments.items():
            if name in ("backbones", "images") and isinstance(given, dict):
                arguments[name] = {each: _place(value, path.parent) for each, value in given.items()}
        return Study(**arguments, **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"file: {path}: {error}") from error


def find_store(path):
    """Return the store of a study's file, or the path itself if it is a store."""
    path = Path(path)
    return path.parent / _read(path).get("store", STORE) if path.suffix == ".toml" else path


def _read(path):
    """Return the content of a TOML file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"file: {path}: no TOML file ({error}): correct its name or content") from None


def _place(given, folder):
    """Return the arguments of a network or set, with paths that exist beside the file, and None for "none"."""
    if isinstance(given, dict):
        return {name: _place(value, folder) for name, value in given.items()}
    if isinstance(given, str) and (folder / given).exists():
        return str(folder / given)
    return None if given == "none" else given
