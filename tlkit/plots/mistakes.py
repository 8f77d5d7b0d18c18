"""The pictures that were labelled wrong, large enough to see why."""

from PIL import ImageOps

_PICTURE_PX, _PITCH_PX, _ROW_PX = 128, 140, 168
N_COLUMNS, N_ROWS = 7, 2


def draw_mistakes(mistakes, read_picture, ax, *, n_columns=N_COLUMNS, n_rows=N_ROWS):
    """Draw the first mistakes of a table, each above its true class, what it was taken for, and how surely.

    Arguments
    ---------
    mistakes: DataFrame
        picture, label, predicted, probability; as in `tlkit.summaries.comparison.ArmSummary`.
    read_picture: callable
        Returns the PIL picture of a name in the column `picture`.
    ax: matplotlib axis
    n_columns, n_rows: int
        How many are drawn at most.

    Returns the axis.
    """
    for place, mistake in enumerate(mistakes.head(n_columns * n_rows).itertuples()):
        row, column = divmod(place, n_columns)
        left, top = column * _PITCH_PX, row * _ROW_PX
        picture = ImageOps.contain(read_picture(mistake.picture), (_PICTURE_PX, _PICTURE_PX))
        left_edge, bottom = left + (_PITCH_PX - picture.width) / 2, top + _PICTURE_PX
        ax.imshow(picture, extent=(left_edge, left_edge + picture.width, bottom, bottom - picture.height))
        caption = f"{mistake.label}\n→ {mistake.predicted} ({mistake.probability:.2f})"
        ax.text(left + _PITCH_PX / 2, top + _PICTURE_PX + 3, caption, ha="center", va="top", fontsize=8.5)
    if mistakes.empty:
        ax.text(n_columns * _PITCH_PX / 2, n_rows * _ROW_PX / 2, "no mistakes", ha="center", va="center")
    draw_mistakes_frame(ax, n_columns=n_columns, n_rows=n_rows)  # pictures have moved the limits
    return ax


def draw_mistakes_frame(ax, *, n_columns=N_COLUMNS, n_rows=N_ROWS):
    """Set the limits of an axis to what `draw_mistakes` fills."""
    ax.set(xlim=(0, n_columns * _PITCH_PX), ylim=(n_rows * _ROW_PX, 0), aspect="equal")
    ax.set_axis_off()
