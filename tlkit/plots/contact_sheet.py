"""Contact sheets: some pictures of each class."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.images.description import CELL_PX, GAP_PX, PITCH_PX, compose_rows
from tlkit.images.imageset import ImageSet, check_images
from tlkit.plots.style import hide_frame, shorten, with_plain_texts
from tlkit.plots.vector import render_figure


@with_plain_texts
def draw_contact_sheet(images: ImageSet, ax: Axes, per_class: int = 6, seed: int = 0) -> Axes:
    """Draw some pictures of each class, one row per class, with its name and number of pictures.

    Parameters
    ----------
    images, ax : ImageSet and matplotlib Axes
        Pictures to draw (ValueError if there are none), and the axes to draw on.
    per_class, seed : int
        Largest number of pictures per class, different groups first, and seed of the selection.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(2)
    >>> [label.get_text() for label in draw_contact_sheet(images, Figure().subplots()).get_yticklabels()]
    ['bird  2', 'bug  2']
    """
    check_images("images", images, "picture")
    rows = compose_rows(images, per_class, seed)
    width_px = max(row.width for row, _ in rows.values())
    sheet = np.full((len(rows) * PITCH_PX - GAP_PX, width_px, 3), 255, np.uint8)
    for index, (row, _) in enumerate(rows.values()):
        sheet[index * PITCH_PX : index * PITCH_PX + CELL_PX, : row.width] = row
    ax.imshow(sheet, interpolation="nearest")
    labels = [f"{shorten(name)}  {n_pictures}" for name, (_, n_pictures) in rows.items()]
    ax.set_yticks(np.arange(len(rows)) * PITCH_PX + CELL_PX / 2, labels)
    ax.set_xticks([])
    hide_frame(ax)
    return ax


def render_contact_sheet(images: ImageSet, per_class: int = 6, seed: int = 0) -> bytes:
    """Return a contact sheet as a PNG file, without axes.

    Parameters
    ----------
    images, per_class, seed : ImageSet, int and int
        As in `draw_contact_sheet`.

    Returns
    -------
    bytes
        The content of a PNG file with 128 colours.

    Examples
    --------
    >>> render_contact_sheet(tl.load_images("styles", domain="clipart").select(classes=["bird"]))[1:4]
    b'PNG'
    """
    figure = Figure(figsize=(6.5, 0.3 + 0.72 * len(np.unique(images.labels))), layout="constrained")
    draw_contact_sheet(images, figure.subplots(), per_class=per_class, seed=seed)
    return render_figure(figure, 128)
