"""Contents of a set of texts at a glance: counts, lengths, and examples of each class."""

import html
import itertools

import numpy as np
import pandas as pd

from tlkit.images import description
from tlkit.images.splits import draw_shots

_N_EXAMPLES = 3  # per class
_N_SHOWN = 60  # characters of an example
_EDGES = (0, 10, 20, 50, 100, 200, 500, 1_000, 5_000, np.inf)


class Description(description.Description):
    """Counts of a set's texts by class and domain (`table`) and by length (`lengths`); made by `describe`."""

    def __init__(self, images):
        super().__init__(images)
        lengths = [len(images.read(row)) for row in range(len(images))]
        ranges = [f"{low + 1:,} to {high:,}" for low, high in itertools.pairwise(_EDGES)]
        bins = pd.cut(lengths, _EDGES, labels=ranges).rename_categories({ranges[-1]: f"over {_EDGES[-2]:,}"})
        # One row per range, up to that of the longest text; one column per domain.
        counts = pd.crosstab(bins, images.domains, rownames=["characters"], colnames=["domain"], dropna=False)
        self.lengths = counts[: bins.codes.max(initial=-1) + 1]
        self._examples = {}
        for row in draw_shots(images.labels, images.groups, images.names, images.classes, shots=_N_EXAMPLES, seed=0):
            text = images.read(row)
            text = text if len(text) <= _N_SHOWN else f"{text[:_N_SHOWN]}…"
            self._examples.setdefault(images.classes[images.labels[row]], []).append(text)

    def __repr__(self):
        examples = [f"{name}: {'; '.join(self._examples.get(name, []))}" for name in self._shown.index[:-1]]
        return "\n".join([super().__repr__(), self.lengths.to_string(), *examples])

    def _repr_html_(self):
        """Return the tables, and examples of each class, as HTML."""
        return super()._repr_html_() + self.lengths.to_html()

    def _draw(self, shown):
        """Return [(class, HTML of its examples)]."""
        present = [shown.classes[label] for label in np.unique(shown.labels)]
        return [(name, "<br>".join(map(html.escape, self._examples[name]))) for name in present]
