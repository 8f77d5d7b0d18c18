"""Reads the drawings of explorers as their script does."""

import html
import re


def read_marks(drawing):
    """Return [("kind:place", words)] of all marks of an SVG, in their order; each marker of a curve is one."""
    marks = []
    for _, name, words in re.findall(r"""\bid=(["'])([^"'|]*)\|(.*?)\1""", drawing, re.DOTALL):
        if name.endswith("*"):
            marks += [(f"{name[:-1]}{number}", line) for number, line in enumerate(words.split("\n"))]
        else:
            marks.append((name, words))
    return [(name, html.unescape(words)) for name, words in marks]


def drop_ids(drawing):
    """Return an SVG without the names of its shapes, which are made up anew for each drawing."""
    return re.sub(r"\b[hmp][0-9a-f]{10}\b|\bC[0-9a-f]+_[0-9a-f]+_[0-9a-f]{10}\b", "", drawing)
