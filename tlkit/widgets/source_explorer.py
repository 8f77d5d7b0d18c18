"""Source × weight × shots → gain, seeds and classes: the `SourceExplorer`."""

import itertools

import pandas as pd
import traitlets

from tlkit.plots.source_worth import make_source_page
from tlkit.summaries.source_worth import SourceChoice, SourceGains, summarise_source
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons

_LABELS = {"shots": "shots per class"}


class SourceExplorer(ChoiceExplorer):
    """See how much a source adds to a few shots of the target, by its weight and the number of shots.

    Its choice is a `source`, a `weight` (float or "pooled", at first the last) and `shots`; all were computed before.

    Parameters
    ----------
    runs, predictions : DataFrame
        Tables of `tlkit.adaptation.compare_target_shots`. Without any source they raise ValueError.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> settings = {"weights": [0.25, "pooled"], "shots": [1], "progress": False}
    >>> SourceExplorer(*tl.adaptation.compare_target_shots(made, images, "photo", "sketch", **settings))
    SourceExplorer(1 sources × 2 weights × 1 numbers of shots, 5 seeds)
    """

    source = traitlets.Unicode()
    weight = traitlets.Any()
    shots = traitlets.Int()
    _validate = traitlets.validate("source", "weight", "shots")(ChoiceExplorer.validate_field)

    def __init__(self, runs: pd.DataFrame, predictions: pd.DataFrame):
        self.worths = worths = SourceGains(runs, predictions)
        options = {"source": worths.sources, "weight": worths.weights, "shots": worths.shots}
        choices = [SourceChoice(*cell) for cell in itertools.product(*options.values())]
        summaries = {choice: summarise_source(worths, choice) for choice in choices}
        super().__init__(
            SourceChoice(worths.sources[0], worths.weights[-1], worths.shots[0]),
            {
                name: make_buttons(offered, label=_LABELS.get(name, ""), format_option=_format_option)
                for name, offered in options.items()
            },
            summarise=summaries.__getitem__,
            page=make_source_page(list(summaries.values())),
            clicks={"cell": ["weight", "shots"]},
        )

    def __repr__(self):
        worths = self.worths
        counts = f"{len(worths.sources)} sources × {len(worths.weights)} weights × {len(worths.shots)} numbers of shots"
        return f"SourceExplorer({counts}, {worths.n_seeds} seeds)"


def _format_option(option):
    """Return the text of an option's button."""
    return option if isinstance(option, str) else f"{option:g}"
