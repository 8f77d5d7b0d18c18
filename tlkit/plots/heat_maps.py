"""Heat maps over pictures, readable in gray: the picture is dimmed where the map is cold, lines say where it is hot."""

import numpy as np

_LEVELS = (0.25, 0.5, 0.75)
_DIMMED = 0.25  # what is left of a picture's contrast where the map is 0


def draw_heat_map(heat, square, ax, *, title=None):
    """Draw a heat map over the picture that it explains.

    The colder a place, the more it fades to white; rings are drawn at a quarter, half and three quarters of the largest
    value. So it doesn't take a palette of colours, which hides the picture and is lost in gray and on the colour-blind.

    Arguments
    ---------
    heat: (side, side) float
        0 or more; it is drawn relative to its largest value, what is below 0 as 0.
    square: (side, side, 3) uint8
        As `tlkit.inspection.show_inputs` gives it.
    ax: matplotlib axis
    title: str, optional

    Returns the axis. Raises ValueError where the two differ in size.
    """
    heat, square = np.asarray(heat, float), np.asarray(square)
    if heat.shape != square.shape[:2]:
        raise ValueError(f"heat: shape {heat.shape}, expected {square.shape[:2]}, that of the square it explains")
    heat = np.clip(heat, 0, None)
    heat = heat / (heat.max() or 1.0)
    share = (_DIMMED + (1 - _DIMMED) * heat)[:, :, None]
    limits = {"extent": (0, heat.shape[1], heat.shape[0], 0), "interpolation": "nearest"}
    ax.imshow(np.uint8(np.round(255 - (255 - square.astype(float)) * share)), **limits)
    if heat.any():
        from matplotlib.patheffects import withStroke

        places = [
            np.arange(0, side, 2) + 0.5 for side in heat.shape[::-1]
        ]  # rings need no more, and take half the time
        rings = ax.contour(*places, _smooth(heat)[::2, ::2], levels=_LEVELS, colors="black", linewidths=1.0)
        # White beneath black: one of the two is seen on whatever the picture shows.
        rings.set_path_effects([withStroke(linewidth=2.4, foreground="white")])
    ax.set(xticks=[], yticks=[])
    if title is not None:
        ax.set_title(title, fontsize=9)
    return ax


def draw_input(square, ax, *, title=None):
    """Draw what the network sees, (side, side, 3) uint8, in the same frame as `draw_heat_map`; returns the axis."""
    side_px = len(square)
    ax.imshow(square, extent=(0, side_px, side_px, 0), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    if title is not None:
        ax.set_title(title, fontsize=9)
    return ax


def _smooth(heat):
    # Of single pixels, as integrated gradients give them, rings would be dots.
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(heat, len(heat) / 40)
    return smooth / (smooth.max() or 1.0)
