"""Pictures with a wrong prediction, large enough to see why."""

from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import draw_thumbnail, frame_sheet, shorten

_PITCH_PX, _ROW_PX = 140, 168
N_COLUMNS, N_ROWS = 7, 2


@with_plain_texts
def draw_mistakes(mistakes, read_picture, ax, *, n_columns=N_COLUMNS, n_rows=N_ROWS):
    """Draw wrongly predicted pictures, each with its true class, predicted class and probability."""
    # `mistakes` are those of an `ArmSummary`; `read_picture` returns the PIL picture of a name. Pictures that do not
    # fit are omitted.
    for index, mistake in enumerate(mistakes.head(n_columns * n_rows).itertuples()):
        row, column = divmod(index, n_columns)
        caption = f"{shorten(mistake.label)}\n→ {shorten(mistake.predicted)} ({mistake.probability:.2f})"
        draw_thumbnail(read_picture(mistake.picture), caption, column * _PITCH_PX, row * _ROW_PX, _PITCH_PX, ax)
    if mistakes.empty:
        ax.text(n_columns * _PITCH_PX / 2, n_rows * _ROW_PX / 2, "no mistakes", ha="center", va="center")
    draw_mistakes_frame(ax, n_columns=n_columns, n_rows=n_rows)
    return ax


def draw_mistakes_frame(ax, *, n_columns=N_COLUMNS, n_rows=N_ROWS):
    """Set the limits of axes to the sheet of `draw_mistakes`."""
    frame_sheet(ax, n_columns * _PITCH_PX, n_rows * _ROW_PX)
