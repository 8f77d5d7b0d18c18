"""Maps of a stage's channels as a sheet, and the pictures that excite one most."""

import math

import numpy as np
from PIL import Image, ImageOps

_CELL_PX, _GAP_PX = 64, 4


def draw_channels(maps, ax, *, n_shown=32, n_columns=8):
    """Draw the maps of a stage's channels side by side, those that differ most within the picture first.

    Arguments
    ---------
    maps: (n_channels, height, width) float
        As `tlkit.inspection.feature_maps` gives them. Each is drawn from its own lowest value, white, to its highest.
    ax: matplotlib axis
    n_shown: int
        How many, at most.
    n_columns: int

    Returns the axis; the number of each channel stands beneath its map. Raises ValueError for what are no maps.
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"maps: shape {maps.shape}, expected (n_channels, height, width)")
    order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:n_shown]
    for place, channel in enumerate(order):
        left, top = _find_corner(place, n_columns)
        values = maps[channel] - maps[channel].min()
        values = values / (values.max() or 1.0)
        extent = (left, left + _CELL_PX, top + _CELL_PX, top)
        ax.imshow(values, cmap="gray_r", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        ax.text(left + _CELL_PX / 2, top + _CELL_PX + 1, channel, ha="center", va="top", fontsize=7)
    _frame(len(order), n_columns, ax)
    return ax


def draw_maximally_activating(images, indices, reactions, ax, *, n_columns=8):
    """Draw the pictures that excite a channel most, each with its class and the channel's mean.

    Arguments
    ---------
    images: ImageSet
    indices: (n,) int
    reactions: (n,) float
        Both as `tlkit.inspection.find_maximally_activating` gives them.
    ax: matplotlib axis
    n_columns: int

    Returns the axis.
    """
    for place, (index, reaction) in enumerate(zip(indices, reactions, strict=True)):
        left, top = _find_corner(place, n_columns)
        picture = ImageOps.pad(images.read(int(index)), (2 * _CELL_PX,) * 2, Image.Resampling.BICUBIC, color="white")
        ax.imshow(picture, extent=(left, left + _CELL_PX, top + _CELL_PX, top))
        caption = f"{images.classes[images.labels[index]]} {reaction:.2f}"
        ax.text(left + _CELL_PX / 2, top + _CELL_PX + 1, caption, ha="center", va="top", fontsize=7)
    _frame(len(indices), n_columns, ax)
    return ax


def _find_corner(place, n_columns):
    row, column = divmod(place, n_columns)
    return column * (_CELL_PX + _GAP_PX), row * (_CELL_PX + 4 * _GAP_PX)


def _frame(n_shown, n_columns, ax):
    n_rows = math.ceil(n_shown / n_columns)
    width, height = min(n_shown, n_columns) * (_CELL_PX + _GAP_PX), n_rows * (_CELL_PX + 4 * _GAP_PX)
    ax.set(xlim=(0, width - _GAP_PX), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
