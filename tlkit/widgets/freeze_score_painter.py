"""A freeze score to paint by mouse and keyboard: the `FreezeScorePainter`, a part of the explorer."""

from pathlib import Path

import anywidget
import traitlets

from tlkit.arguments import check_number
from tlkit.plots.freeze_score import list_rate_colours
from tlkit.summaries.freeze_score_painting import MOST_EPOCHS, Painting

_MOST_RATES = 10  # as many as there are digits on the keyboard

_STYLE = """
.tlkit-score p { margin: 0.3em 0; }
.tlkit-score button { font: inherit; padding: 0.2em 0.6em; margin: 0 0.3em 0.3em 0; cursor: pointer; color: inherit;
  background: var(--jp-layout-color1, #fff); border: 1px solid var(--jp-border-color1, #999); }
.tlkit-score button[aria-pressed=true] { font-weight: bold; outline: 2px solid currentcolor; }
.tlkit-score .swatch { display: inline-block; width: 1em; height: 1em; margin-right: 0.4em; vertical-align: -0.15em;
  border: 1px solid #777; }
.tlkit-score label { margin-right: 1.5em; }
.tlkit-score label input { vertical-align: middle; }
.tlkit-score-frame { overflow-x: auto; padding: 3px; }
.tlkit-score table { border-collapse: collapse; touch-action: none; user-select: none; font-size: 11px;
  cursor: crosshair; }
.tlkit-score th { font-weight: normal; text-align: right; padding: 0 0.6em 0 0; color: inherit; }
.tlkit-score thead th { text-align: center; padding: 0; }
.tlkit-score td { width: 46px; min-width: 46px; height: 24px; padding: 0; text-align: center; border: 1px solid #fff; }
.tlkit-score td.solved { color: #000; cursor: default; border-right: 2px solid #000; }
.tlkit-score td.solved:not(.frozen) { background: #fff; }
.tlkit-score .frozen { background: repeating-linear-gradient(135deg, #fff 0 5px, #d5d5d5 5px 6px); color: #444; }
.tlkit-score :is(button, input, pre):focus-visible { outline: 3px solid #0072B2; }
.tlkit-score td:focus { outline: 3px solid #D55E00; outline-offset: -2px; box-shadow: inset 0 0 0 3px #fff; }
.tlkit-score pre { margin: 0.2em 0; padding: 0.5em; max-height: 16em; overflow: auto; font-size: 12px;
  background: var(--jp-layout-color2, #eee); }
"""


class FreezeScorePainter(anywidget.AnyWidget):
    """Stages down, epochs across: drag to paint cells with the chosen learning rate, or use the keyboard.

    Arguments
    ---------
    painting: Painting
        To begin with.
    palette: sequence of float
        The learning rates to paint with, ten at most; 0 is frozen.

    `rates` (a list of lists) and `solves_head` are traits: assigning to them changes the grid, what can't be painted is
    a TraitError. `reading` and `python` are the texts below the grid.
    """

    _esm = Path(__file__).with_name("freeze_score_painter.js")
    _css = _STYLE

    stages = traitlets.List().tag(sync=True)
    rates = traitlets.List().tag(sync=True)
    solves_head = traitlets.Bool(False).tag(sync=True)
    palette = traitlets.List().tag(sync=True)
    scale = traitlets.Dict().tag(sync=True)
    most_epochs = traitlets.Int(MOST_EPOCHS).tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    python = traitlets.Unicode().tag(sync=True)

    def __init__(self, painting, palette):
        if not 1 <= len(palette) <= _MOST_RATES:
            raise ValueError(f"palette: {len(palette)} learning rates, expected 1 to {_MOST_RATES}: each has a digit")
        for rate in palette:
            check_number("palette", rate, at_least=0, hint="; 0 is frozen")
        super().__init__(
            stages=list(painting.stages),
            palette=list(palette),
            scale=list_rate_colours(palette),
            rates=[list(row) for row in painting.rates],
            solves_head=painting.solves_head,
        )

    @traitlets.validate("rates")
    def _check(self, proposal):
        try:
            rates = Painting(self.stages, proposal["value"]).rates
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from error
        return [list(row) for row in rates]

    @property
    def painting(self):
        """The `Painting` as it is; assigning another changes the grid."""
        return Painting(self.stages, self.rates, self.solves_head)

    @painting.setter
    def painting(self, painting):
        with self.hold_trait_notifications():
            self.rates = [list(row) for row in painting.rates]
            self.solves_head = painting.solves_head

    def __repr__(self):
        return f"FreezeScorePainter({len(self.stages)} stages × {len(self.rates[0])} epochs)"
