"""Heat maps over pictures, readable in gray: cold areas fade, contour lines surround hot ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.plots.letters import with_plain_texts

_LEVELS = (0.25, 0.5, 0.75)
_DIMMED = 0.25  # share of a picture's contrast that is left if the map is 0


@with_plain_texts
def draw_heat_map(heat: ArrayLike, picture: ArrayLike, ax: Axes, *, title: str | None = None) -> Axes:
    """Draw a heat map over the picture that it explains.

    The colder an area, the more it fades to white. Contour lines are drawn at a quarter, half and three quarters of the
    largest value. A colour map would hide the picture, and would be lost in gray and to colour-blind readers.

    Parameters
    ----------
    heat : (side, side) array of float
        Heat map, drawn relative to its largest value; values below 0 count as 0.
    picture : (side, side, 3) array of uint8
        The network's input, from `tlkit.inspection.show_inputs`. ValueError if its size differs.
    ax : matplotlib Axes
        Axes to draw on.
    title : str, optional
        Title of the axes.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> picture = np.full((32, 32, 3), 100, np.uint8)
    >>> draw_heat_map(np.eye(32), picture, Figure().subplots(), title="bird").get_title()
    'bird'
    """
    heat, picture = np.asarray(heat, float), np.asarray(picture)
    if heat.shape != picture.shape[:2]:
        raise ValueError(f"heat: shape {heat.shape}, expected {picture.shape[:2]}, that of the picture it explains")
    heat = np.clip(heat, 0, None)
    heat = heat / (heat.max() or 1.0)
    share = (_DIMMED + (1 - _DIMMED) * heat)[:, :, None]
    limits = {"extent": (0, heat.shape[1], heat.shape[0], 0), "interpolation": "nearest"}
    ax.imshow(np.uint8(np.round(255 - (255 - picture.astype(float)) * share)), **limits)
    if heat.any():
        from matplotlib.patheffects import withStroke

        # Every second pixel is enough for contour lines and takes half the time.
        centres = [np.arange(0, side, 2) + 0.5 for side in heat.shape[::-1]]
        rings = ax.contour(*centres, _smooth(heat)[::2, ::2], levels=_LEVELS, colors="black", linewidths=1.0)
        # White below black: one of the two is visible on any picture.
        rings.set_path_effects([withStroke(linewidth=2.4, foreground="white")])
    return _finish(ax, title)


def draw_input(picture, ax, *, title=None):
    """Draw the network's input in the same frame as `draw_heat_map`."""
    side_px = len(picture)
    ax.imshow(picture, extent=(0, side_px, side_px, 0), interpolation="nearest")
    return _finish(ax, title)


def _finish(ax, title):
    """Remove the ticks and set a title if there is one; return the axes."""
    ax.set(xticks=[], yticks=[])
    if title is not None:
        ax.set_title(title, fontsize=9)
    return ax


def _smooth(heat):
    """Return a (side, side) map, smoothed: around single pixels, as in integrated gradients, rings would be dots."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(heat, len(heat) / 40)
    return smooth / (smooth.max() or 1.0)
