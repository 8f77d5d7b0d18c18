"""Contents of a set of texts at a glance: counts, lengths, and examples of each class."""

import html
import itertools

import numpy as np
import pandas as pd

from tlkit.images.description import Description
from tlkit.images.splits import draw_shots

_N_EXAMPLES = 3  # per class
_N_SHOWN = 60  # characters of an example
_EDGES = (0, 10, 20, 50, 100, 200, 500, 1_000, 5_000)


class TextDescription(Description):
    """Counts of a set's texts by class and domain (`table`) and by length (`lengths`); made by `describe`."""

    def __init__(self, texts):
        super().__init__(texts)
        # One row per range of lengths, up to that of the longest text; one column per domain.
        lengths = np.array([len(texts.read(row)) for row in range(len(texts))], dtype=int)
        bins = np.searchsorted(_EDGES, lengths) - 1
        ranges = [f"{low + 1:,} to {high:,}" for low, high in itertools.pairwise(_EDGES)]
        ranges = [*ranges, f"over {_EDGES[-1]:,}"][: bins.max(initial=0) + 1]
        domains, columns = np.unique(texts.domains, return_inverse=True)
        counts = np.zeros((len(ranges), len(domains)), np.int64)
        np.add.at(counts, (bins, columns), 1)
        self.lengths = pd.DataFrame(counts, pd.Index(ranges, name="characters"), pd.Index(domains, name="domain"))

    def __repr__(self):
        examples = [f"{name}: {'; '.join(texts)}" for name, texts in self._list_examples(self.images)]
        return "\n".join([super().__repr__(), self.lengths.to_string(), *examples[: len(self._shown)]])

    def _repr_html_(self):
        """Return the tables, and examples of each class, as HTML."""
        return super()._repr_html_() + self.lengths.to_html()

    def _draw(self, shown):
        """Return [(class, HTML of its examples)]."""
        return [(name, "<br>".join(map(html.escape, texts))) for name, texts in self._list_examples(shown)]

    def _list_examples(self, shown):
        """Return [(class, beginnings of a few texts)]."""
        drawn = draw_shots(shown.labels, shown.groups, shown.names, shown.classes, shots=_N_EXAMPLES, seed=0)
        texts = [shown.read(row) for row in drawn]
        texts = np.array([text if len(text) <= _N_SHOWN else f"{text[:_N_SHOWN]}…" for text in texts], dtype=object)
        labels = shown.labels[drawn]
        return [(shown.classes[label], texts[labels == label].tolist()) for label in np.unique(labels)]
