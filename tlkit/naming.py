"""Names that people type: unknown ones are answered with the nearest that exist."""

import difflib


def suggest(name, known):
    """Say which known names are nearest to one that isn't known (str).

    >>> suggest("clip-art", ["photo", "clipart"])
    "nearest: 'clipart'; known: 'clipart', 'photo'"
    >>> suggest("xyz", ["photo", "clipart"])
    "known: 'clipart', 'photo'"
    """
    lowered = {item.casefold(): item for item in known}
    nearest = [lowered[item] for item in difflib.get_close_matches(str(name).casefold(), lowered, n=3)]
    listed = sorted(known)
    text = "known: " + (", ".join(map(repr, listed[:20])) or "none")
    if len(listed) > 20:
        text += f" and {len(listed) - 20} more"
    if not nearest:
        return text
    return "nearest: " + ", ".join(map(repr, nearest)) + "; " + text


def check_known(argument, names, known):
    """Return names as a list, once all of them are known.

    Arguments
    ---------
    argument: str
        What the caller calls the names, for the error.
    names: str or sequence of str
    known: sequence of str

    Raises ValueError for a name that isn't among the known ones, TypeError for what isn't a str.

    >>> check_known("domain", "photo", ["photo", "clipart"])
    ['photo']
    """
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: {name!r} is a {type(name).__name__}, expected a str or a list of str")
        if name not in known:
            raise ValueError(f"{argument}: {str(name)!r} is unknown; {suggest(name, known)}")
    return names


def number_repeats(names, taken=()):
    """Make names unique: what came before, or is taken, gets " (2)", " (3)" … before its extension.

    >>> number_repeats(["a/1.png", "a/1.png"])
    ['a/1.png', 'a/1 (2).png']
    """
    seen = set(taken)
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate in seen:
            number += 1
            stem, dot, extension = name.rpartition(".")
            candidate = f"{stem} ({number}){dot}{extension}" if stem else f"{name} ({number})"
        seen.add(candidate)
        unique.append(candidate)
    return unique
