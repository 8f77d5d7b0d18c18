"""Pictures with a wrong prediction, large enough to see why."""

from collections.abc import Callable

from matplotlib.axes import Axes
from pandas import DataFrame
from PIL.Image import Image

from tlkit.plots.style import draw_thumbnail, frame_sheet

_PITCH_PX, _ROW_PX = 140, 168
N_COLUMNS, N_ROWS = 7, 2


def draw_mistakes(
    mistakes: DataFrame,
    read_picture: Callable[[str], Image],
    ax: Axes,
    *,
    n_columns: int = N_COLUMNS,
    n_rows: int = N_ROWS,
) -> Axes:
    """Draw wrongly predicted pictures, each with its true class, predicted class and probability.

    Parameters
    ----------
    mistakes : DataFrame
        Columns picture, label, predicted and probability, as in `tlkit.summaries.comparison.ArmSummary`.
    read_picture : callable
        Returns the PIL picture of a name in the column `picture`.
    ax : matplotlib Axes
        Axes to draw on.
    n_columns, n_rows : int
        Size of the sheet; pictures that do not fit are not drawn.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from PIL import Image
    >>> mistakes = {"picture": ["1.png"], "label": ["bird"], "predicted": ["bug"], "probability": [0.93]}
    >>> ax = draw_mistakes(pd.DataFrame(mistakes), lambda name: Image.new("RGB", (8, 8)), Figure().subplots())
    >>> ax.texts[0].get_text().splitlines()
    ['bird', '→ bug (0.93)']
    """
    for index, mistake in enumerate(mistakes.head(n_columns * n_rows).itertuples()):
        row, column = divmod(index, n_columns)
        caption = f"{mistake.label}\n→ {mistake.predicted} ({mistake.probability:.2f})"
        draw_thumbnail(read_picture(mistake.picture), caption, column * _PITCH_PX, row * _ROW_PX, _PITCH_PX, ax)
    if mistakes.empty:
        ax.text(n_columns * _PITCH_PX / 2, n_rows * _ROW_PX / 2, "no mistakes", ha="center", va="center")
    draw_mistakes_frame(ax, n_columns=n_columns, n_rows=n_rows)
    return ax


def draw_mistakes_frame(ax, *, n_columns=N_COLUMNS, n_rows=N_ROWS):
    """Set the limits of axes to the sheet of `draw_mistakes`."""
    frame_sheet(ax, n_columns * _PITCH_PX, n_rows * _ROW_PX)
