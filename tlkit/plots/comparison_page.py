"""One arm of a comparison on one page: its accuracy among the others, its confusion matrix and its mistakes."""

from tlkit.plots.comparison import draw_comparison
from tlkit.plots.confusion import draw_confusion_cells, draw_confusion_frame
from tlkit.plots.letters import with_plain_texts
from tlkit.plots.page import Page
from tlkit.plots.style import FIXED, RING, draw_thumbnail, frame_sheet, shorten
from tlkit.plots.vector import mark

SIZE_INCHES = (9.2, 6.5)


class ComparisonPage(Page):
    """Draw one arm of a comparison after another."""

    def __init__(self, comparison, classes, read_picture):
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_static(comparison, classes, figure),
            lambda summary, axes: _draw_dynamic(summary, comparison.table, read_picture, axes),
        )


def _draw_static(comparison, classes, figure):
    """Draw the overview and the frames of the other two; return the three axes."""
    overview = figure.add_axes((0.075, 0.565, 0.39, 0.395))
    draw_comparison(comparison, overview)
    overview.set_title("mean accuracy and 95 % interval", fontsize=10)
    confusion = figure.add_axes((0.56, 0.56, 0.43, 0.4))
    draw_confusion_frame(classes, confusion)
    confusion.set_title("confusion matrix: test pictures of all seeds", fontsize=10)
    mistakes = figure.add_axes((0.0, 0.0, 1.0, 0.43))
    frame_sheet(mistakes, N_COLUMNS * _PITCH_PX, N_ROWS * _ROW_PX)
    return overview, confusion, mistakes


def _draw_dynamic(summary, table, read_picture, axes):
    """Mark the arm in the overview, and draw its confusion matrix and mistakes."""
    overview, confusion, mistakes = axes
    # With one number of shots the overview has one row per strategy, else one curve over shots.
    by_row = table["shots"].nunique() == 1
    row = table["strategy"].tolist().index(summary.choice.strategy)
    point = (summary.accuracy, row) if by_row else (summary.choice.shots, summary.accuracy)
    overview.plot(*point, **RING, **FIXED)
    draw_confusion_cells(summary.confusion, confusion)
    draw_mistakes(summary.mistakes, read_picture, mistakes)
    n_shown = min(len(summary.mistakes), N_COLUMNS * N_ROWS)
    heading = f"mistakes: the {n_shown} most confident of {len(summary.mistakes)}, true → predicted class (probability)"
    mistakes.text(0.0, 1.02, heading, transform=mistakes.transAxes, fontsize=10)


_PITCH_PX, _ROW_PX = 160, 170
N_COLUMNS, N_ROWS = 7, 2


@with_plain_texts
def draw_mistakes(mistakes, read_picture, ax):
    """Draw wrongly predicted pictures, each with its true class, predicted class and probability."""
    # `mistakes` are those of an `ArmSummary`; `read_picture` returns the PIL picture of a name. Pictures that do not
    # fit are omitted.
    for index, mistake in enumerate(mistakes.head(N_COLUMNS * N_ROWS).itertuples()):
        row, column = divmod(index, N_COLUMNS)
        caption = f"{shorten(mistake.label, 18)}\n→ {shorten(mistake.predicted, 11)} ({mistake.probability:.2f})"
        corner = column * _PITCH_PX, row * _ROW_PX
        drawn = draw_thumbnail(read_picture(mistake.picture), caption, *corner, _PITCH_PX, ax)
        words = f"{mistake.picture}: {mistake.label}, predicted {mistake.predicted} ({mistake.probability:.2f})"
        mark(drawn, "mistake", index, words=words)
    if mistakes.empty:
        ax.text(N_COLUMNS * _PITCH_PX / 2, N_ROWS * _ROW_PX / 2, "no mistakes", ha="center", va="center")
    return ax
