"""A grid in which a freeze score is painted by mouse and keyboard: the `FreezeScorePainter`."""

import traitlets

from tlkit.arguments import check_number
from tlkit.plots.freeze_score import list_rate_colours
from tlkit.summaries.freeze_score_painting import MAX_EPOCHS, PaintedScore
from tlkit.widgets.explorer import Explorer, refuse_value

_MAX_RATES = 10  # each has a digit on the keyboard


class FreezeScorePainter(Explorer):
    """The traits of a grid of stages × epochs, painted with at most ten learning rates; 0 is frozen."""

    # Assigning `rates` or `solves_head` changes the grid. `summary` and `python` are shown below it.

    stages = traitlets.List().tag(sync=True)
    rates = traitlets.List().tag(sync=True)
    solves_head = traitlets.Bool(False).tag(sync=True)
    palette = traitlets.List().tag(sync=True)
    scale = traitlets.Dict().tag(sync=True)
    most_epochs = traitlets.Int(MAX_EPOCHS).tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    python = traitlets.Unicode().tag(sync=True)

    @traitlets.validate("rates")
    def _check(self, proposal):
        """Return the rates of a valid painting; raise TraitError for others."""
        with refuse_value():
            rates = PaintedScore(self.stages, proposal["value"]).rates
        return [list(row) for row in rates]

    @property
    def painting(self):
        """The current `PaintedScore`; assigning another one changes the grid."""
        return PaintedScore(self.stages, self.rates, self.solves_head)

    @painting.setter
    def painting(self, painting):
        """Change the grid."""
        with self.hold_trait_notifications():
            self.rates = [list(row) for row in painting.rates]
            self.solves_head = painting.solves_head


def make_grid(painting, palette):
    """Return the traits of a grid with a painting (dict); ValueError if its palette is none."""
    if not 1 <= len(palette) <= _MAX_RATES:
        raise ValueError(f"palette: {len(palette)} learning rates, expected 1 to {_MAX_RATES}: each has a digit")
    for rate in palette:
        check_number("palette", rate, at_least=0, hint="; 0 is frozen")
    return {
        "stages": list(painting.stages),
        "palette": list(palette),
        "scale": list_rate_colours(palette),
        "rates": [list(row) for row in painting.rates],
        "solves_head": painting.solves_head,
    }
