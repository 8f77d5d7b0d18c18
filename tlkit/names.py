"""Names for display, for files, and of the parts that a phase trains."""

import re

# Words of a phase for parts of any network. A stage may have the same name; in a phase, the word comes first.
KEYWORDS = ("all", "head", "norm", "bias", "adapter")


def spell_stage(name):
    """Return the name of a stage as a phase takes it, which is another one only if the name is also a keyword."""
    return f"stage:{name}" if name in KEYWORDS else name


# Terminals act on control characters, marks of direction hide text, and lone surrogates can't be written to a file.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def make_printable(name):
    """Return a name (str or path) with the characters spelled out that don't belong into a terminal or a file."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(name))


def number_repeats(names, taken=()):
    """Make names unique: a repeated or taken name gets " (2)", " (3)" … before its extension."""
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


def format_strategy(name):
    """Return the name of a strategy for display."""
    return name.replace("_", " ")
