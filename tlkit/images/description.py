"""Contents of a set at a glance: a table of counts and, in Jupyter, example pictures of each class."""

import base64
import dataclasses
import html
import io

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from tlkit.images.splits import draw_shots

CELL_PX = 64
GAP_PX = 4
PITCH_PX = CELL_PX + GAP_PX  # from one cell to the next
_N_EXAMPLES = 6  # per class
_N_CLASSES = 30  # shown


class Description:
    """Counts of a set's pictures by class and domain (`table`), and its number of groups; made by `describe`."""

    def __init__(self, images):
        self._title, totals = repr(images), [*np.unique(images.domains, return_counts=True)[1], len(images)]
        if images.labels.ndim == 2:  # a picture is counted and shown for each label, but once in the total
            rows, labels = np.nonzero(np.column_stack([images.labels, ~images.labels.any(axis=1)]))
            images = dataclasses.replace(images[rows], labels=labels, classes=[*images.classes, "none of these"])
        self.images = images
        # One row per class and "total"; one column per domain, "total" and "groups".
        domains, columns = np.unique(images.domains, return_inverse=True)
        counts = np.zeros((len(images.classes), len(domains)), np.int64)
        np.add.at(counts, (images.labels, columns), 1)
        table = pd.DataFrame(counts, pd.Index(images.classes, name="class"), pd.Index(domains, name="domain"))
        table["total"] = counts.sum(axis=1)
        groups = pd.Series(images.groups).groupby(images.labels).nunique()
        table["groups"] = groups.reindex(range(len(images.classes)), fill_value=0).to_numpy()
        table.loc["total"] = [*totals, len(np.unique(images.groups))]  # a group may span several classes
        self.table = table
        self.n_groups = int(self.table.loc["total", "groups"])
        self._n_others = max(0, len(images.classes) - _N_CLASSES)
        self._shown = self.table.drop(self.table.index[_N_CLASSES : _N_CLASSES + self._n_others])
        self._note = f"and {self._n_others:,} more classes, listed in the description's table" if self._n_others else ""

    def __repr__(self):
        return "\n".join(filter(None, [self._title, self._shown.to_string(), self._note]))

    def _repr_html_(self):
        """Return the table, and an embedded row of examples per class, as HTML."""
        table = self._shown.to_html() + self._note
        shown = self.images[self.images.labels < _N_CLASSES]
        if not len(shown):
            return table
        rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{cell}</td></tr>" for name, cell in self._draw(shown))
        return f"{table}<table>{rows}</table>"

    def _draw(self, shown):
        """Return [(class, HTML of its examples)]."""
        return [
            (name, f'<img alt="Examples of {html.escape(name)}" src="data:image/png;base64,{_encode(row)}">')
            for name, (row, _) in compose_rows(shown, _N_EXAMPLES, seed=0).items()
        ]


def _encode(picture):
    """Return a PIL picture as base64 text of a PNG; 128 colours keep notebooks small."""
    content = io.BytesIO()
    picture.quantize(128, Image.Quantize.FASTOCTREE).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def compose_rows(images, per_class, seed):
    """Return {class: (PIL picture of its examples, number of its pictures)} for each class that has pictures."""
    if not len(images):
        raise ValueError("images: an empty set, expected at least one picture to draw")
    drawn = draw_shots(images.labels, images.groups, images.names, images.classes, shots=per_class, seed=seed)
    counts = np.bincount(images.labels)
    rows = {}
    for label in np.unique(images.labels):
        indices = drawn[images.labels[drawn] == label]
        row = Image.new("RGB", (len(indices) * PITCH_PX - GAP_PX, CELL_PX), "white")
        for column, index in enumerate(indices):
            cell = ImageOps.pad(images.read(int(index)), (CELL_PX, CELL_PX), color="white")
            row.paste(cell, (column * PITCH_PX, 0))
        rows[images.classes[label]] = row, int(counts[label])
    return rows
