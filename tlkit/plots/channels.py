"""Feature maps of a stage's channels as a sheet, and the pictures that activate one channel most."""

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from PIL import Image, ImageOps

from tlkit.images.imageset import ImageSet, check_images
from tlkit.plots.style import TEXT_PT, frame_sheet, shorten, with_plain_texts

_CELL_PX, _GAP_PX = 64, 4


@with_plain_texts
def draw_channels(maps: ArrayLike, ax: Axes, *, n_shown: int = 32, n_columns: int = 8) -> Axes:
    """Draw the feature maps of a stage side by side, those with the largest variation within the picture first.

    Parameters
    ----------
    maps : (n_channels, height, width) array of float
        Result of `tlkit.inspection.feature_maps`; each map is drawn from its lowest value (white) to its highest.
    ax : matplotlib Axes
        Axes to draw on.
    n_shown, n_columns : int
        Largest number of maps, and number of maps per row.

    Returns
    -------
    matplotlib Axes
        The axes that were given, with the number of each channel below its map.

    Raises
    ------
    ValueError
        If the array has another number of dimensions or is empty.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = draw_channels(np.eye(3).reshape(3, 1, 3), Figure().subplots(), n_shown=2)
    >>> [text.get_text() for text in ax.texts]
    ['0', '1']
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"maps: shape {maps.shape}, expected (n_channels, height, width)")
    order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:n_shown]
    for index, channel in enumerate(order):
        values = maps[channel] - maps[channel].min()
        values = values / (values.max() or 1.0)
        _draw_cell(values, channel, index, n_columns, ax, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    _frame(len(order), n_columns, ax)
    return ax


@with_plain_texts
def draw_maximally_activating(
    images: ImageSet, indices: ArrayLike, reactions: ArrayLike, ax: Axes, *, n_columns: int = 8
) -> Axes:
    """Draw the pictures that activate a channel most, each with its class and the channel's mean.

    Parameters
    ----------
    images : ImageSet
        Set that the indices refer to.
    indices, reactions : (n,) arrays of int and float
        Pictures and the channel's means, from `tlkit.inspection.find_maximally_activating`.
    ax : matplotlib Axes
        Axes to draw on.
    n_columns : int
        Number of pictures per row.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird"])
    >>> draw_maximally_activating(images, [3], [1.25], Figure().subplots()).texts[0].get_text()
    'bird 1.25'
    """
    check_images("images", images, "picture")
    for cell, (index, reaction) in enumerate(zip(indices, reactions, strict=True)):
        picture = ImageOps.pad(images.read(int(index)), (2 * _CELL_PX,) * 2, Image.Resampling.BICUBIC, color="white")
        _draw_cell(picture, f"{shorten(images.classes[images.labels[index]])} {reaction:.2f}", cell, n_columns, ax)
    _frame(len(indices), n_columns, ax)
    return ax


def _draw_cell(picture, caption, index, n_columns, ax, **image):
    """Draw a square picture or map in the cell with an index, with a caption below it."""
    row, column = divmod(index, n_columns)
    left, top = column * (_CELL_PX + _GAP_PX), row * (_CELL_PX + 4 * _GAP_PX)
    ax.imshow(picture, extent=(left, left + _CELL_PX, top + _CELL_PX, top), **image)
    ax.text(left + _CELL_PX / 2, top + _CELL_PX + 1, caption, ha="center", va="top", fontsize=TEXT_PT)


def _frame(n_shown, n_columns, ax):
    """Set the limits to the sheet of some cells."""
    width = min(n_shown, n_columns) * (_CELL_PX + _GAP_PX) - _GAP_PX
    frame_sheet(ax, width, math.ceil(n_shown / n_columns) * (_CELL_PX + 4 * _GAP_PX))
