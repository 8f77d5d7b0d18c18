"""Heat maps over pictures: the picture in dark gray, and heat in red to yellow, the hotter, the brighter."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import TEXT_PT

_LUMINANCE = (0.299, 0.587, 0.114)
_GRAYS = (20, 108)  # black and white of the picture
# The part of inferno that is at least as bright as the picture's white. Its lightness rises evenly, so that at each
# pixel of any picture more heat is brighter.
_COLOURS = (0.55, 1.0)
_MOST_OPAQUE = 0.7


@with_plain_texts
def draw_heat_map(
    heat: ArrayLike, picture: ArrayLike, ax: Axes, *, title: str | None = None, legend: bool = True
) -> Axes:
    """Draw a heat map over the picture that it explains.

    The picture is dark gray. Heat colours it from red to yellow, and the hotter, the brighter, so that the map can be
    read in gray and by colour-blind readers. A strip below shows the colours from low to high. The map is smoothed by a
    Gaussian whose standard deviation is a fortieth of the side, since single pixels would hardly be seen.

    Parameters
    ----------
    heat : (side, side) array of float
        Heat map, drawn relative to its largest value; values below 0 count as 0.
    picture : (side, side, 3) array of uint8
        The network's input, from `tlkit.inspection.show_inputs`. ValueError if its size differs.
    ax, title, legend : matplotlib Axes, str, optional, and bool
        Axes to draw on, their title, and whether to draw the strip, which is the default.

    Returns
    -------
    matplotlib Axes
        The axes that were given; the strip is a child of it.

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
    from scipy.ndimage import gaussian_filter

    heat = gaussian_filter(np.clip(heat, 0, None), len(heat) / 40)
    draw_input(_colour(heat / (heat.max() or 1.0), picture), ax, title=title)
    if legend:
        draw_heat_legend(ax)
    return ax


def draw_input(picture, ax, *, title=None):
    """Draw the network's input (side, side, 3) in the same frame as `draw_heat_map`."""
    side_px = len(picture)
    ax.imshow(picture, extent=(0, side_px, side_px, 0), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    if title is not None:
        ax.set_title(title, fontsize=TEXT_PT)
    return ax


def draw_heat_legend(ax):
    """Draw the colours of heat maps, over a picture of medium gray, as a strip below axes."""
    shares = np.linspace(0, 1, 64)[None]
    strip = ax.inset_axes((0.22, -0.14, 0.56, 0.05))
    strip.imshow(_colour(shares, np.full((1, 64, 3), 128)), extent=(0, 1, 0, 1), aspect="auto")
    strip.set(xticks=[], yticks=[])
    for x, side, word in ((-0.05, "right", "low"), (1.05, "left", "high")):
        strip.text(x, 0.4, word, ha=side, va="center", fontsize=TEXT_PT)


def _colour(shares, picture):
    """Return a map (height, width) from 0 to 1 over a picture (height, width, 3), as (height, width, 3) uint8."""
    from matplotlib import colormaps

    gray = np.interp(picture @ np.array(_LUMINANCE), (0, 255), _GRAYS)[..., None]
    colours = 255 * colormaps["inferno"](np.interp(shares, (0, 1), _COLOURS))[..., :3]
    opacity = _MOST_OPAQUE * shares[..., None]
    return np.uint8(np.round((1 - opacity) * gray + opacity * colours))
