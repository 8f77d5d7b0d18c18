"""One arm of a comparison on one page: where it stands, what it confuses, what it got wrong."""

from tlkit.plots.comparison import draw_comparison
from tlkit.plots.confusion import draw_confusion_cells, draw_confusion_frame
from tlkit.plots.mistakes import N_COLUMNS, N_ROWS, draw_mistakes, draw_mistakes_frame
from tlkit.plots.page import Page

# The mistakes' sheet is as wide as the page, so that their pictures are shown pixel by pixel.
SIZE_INCHES = (9.8, 8.3)


def draw_arm(summary, comparison, read_picture, figure):
    """Draw an arm of a comparison on an empty figure, best of `SIZE_INCHES`.

    Arguments
    ---------
    summary: ArmSummary
    comparison: Comparison
        That the reading was taken from.
    read_picture: callable
        Returns the PIL picture of a name in `reading.mistakes`.
    figure: matplotlib Figure

    Returns the figure.
    """
    axes = _draw_what_stays(comparison, summary.classes, figure)
    _draw_what_changes(summary, comparison.table, read_picture, axes)
    return figure


class ComparisonPage(Page):
    """The same drawing, made again and again for arms of one comparison.

    Arguments
    ---------
    comparison: Comparison
    classes: list of str
        As in its readings.
    read_picture: callable
        As in `draw_arm`.
    """

    def __init__(self, comparison, classes, read_picture):
        self.read_picture = read_picture
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_what_stays(comparison, classes, figure),
            lambda summary, axes: _draw_what_changes(summary, comparison.table, read_picture, axes),
        )


def _draw_what_stays(comparison, classes, figure):
    overview = figure.add_axes((0.07, 0.555, 0.40, 0.41))
    draw_comparison(comparison, overview)
    overview.set_title("where it stands: mean accuracy and 95 % interval", fontsize=10)
    confusion = figure.add_axes((0.57, 0.555, 0.42, 0.41))
    draw_confusion_frame(classes, confusion)
    confusion.set_title("what it confuses: test pictures of all seeds", fontsize=10)
    mistakes = figure.add_axes((0.0, 0.0, 1.0, 336 / 830))
    draw_mistakes_frame(mistakes)
    return overview, confusion, mistakes


def _draw_what_changes(summary, table, read_picture, axes):
    overview, confusion, mistakes = axes
    # With one number of shots the overview has a row a strategy, else a curve over shots.
    by_row = table["shots"].nunique() == 1
    row = table["strategy"].tolist().index(summary.choice.strategy)
    place = (summary.accuracy, row) if by_row else (summary.choice.shots, summary.accuracy)
    ring = {"markersize": 17, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
    overview.plot(*place, "o", zorder=10, scalex=False, scaley=False, **ring)
    draw_confusion_cells(summary.confusion, confusion)
    draw_mistakes(summary.mistakes, read_picture, mistakes)
    n_shown = min(len(summary.mistakes), N_COLUMNS * N_ROWS)
    heading = (
        f"what it got wrong: the {n_shown} most confident of {len(summary.mistakes)} pictures, "
        "true class → what it was taken for (probability)"
    )
    mistakes.text(0.5, 1.02, heading, transform=mistakes.transAxes, ha="center", fontsize=10)
