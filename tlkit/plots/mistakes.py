"""Pictures with a wrong prediction, large enough to see why."""

from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import draw_thumbnail, frame_sheet, shorten
from tlkit.plots.vector import mark

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


def draw_mistakes_frame(ax):
    """Set the limits of axes to the sheet of `draw_mistakes`."""
    frame_sheet(ax, N_COLUMNS * _PITCH_PX, N_ROWS * _ROW_PX)
