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


# OWASP's advice against CSV injection, also in full width; names of classes and files come from anybody.
_FORMULA_SIGNS = ("'", "=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defuse(value):
    """Return a text with an apostrophe in front if a spreadsheet would take it for a formula, other values as given."""
    return f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA_SIGNS else value


def read_defused(text):
    """Return the text that `defuse` took."""
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA_SIGNS else text
