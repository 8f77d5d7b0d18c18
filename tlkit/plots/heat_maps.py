"""Heat maps over pictures: the picture in dark gray, and heat in red to yellow, the hotter, the brighter."""

import functools

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from tlkit.plots.style import FIXED, RING, TEXT_PT, style_curve, with_plain_texts
from tlkit.plots.vector import Page, mark

_LUMINANCE = (0.299, 0.587, 0.114)
_GRAYS = (20, 108)  # black and white of the picture
# The part of inferno at least as bright as the picture's white: on any pixel, more heat is brighter.
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
    gray = np.interp(picture @ np.array(_LUMINANCE), (0, 255), _GRAYS)[..., None]
    colours = 255 * colormaps["inferno"](np.interp(shares, (0, 1), _COLOURS))[..., :3]
    opacity = _MOST_OPAQUE * shares[..., None]
    return np.uint8(np.round((1 - opacity) * gray + opacity * colours))


SIZE_INCHES = (9.0, 6.2)


@with_plain_texts
def draw_correlations(study, ax):
    """Draw how similar heat maps stay to the trained network's while its weights are made random, per method."""
    columns = np.arange(len(study.depths))
    for index, method in enumerate(study.maps):
        values = study.correlations.loc[study.correlations["method"] == method, "correlation"]
        n_empty = int(values.isna().sum())  # maps without heat have no correlation
        label = f"{method} ({n_empty} of {len(values)} maps are empty and left out)" if n_empty else method
        (line,) = ax.plot(columns, study.means[method], label=label, **style_curve(index))
        words = [f"{method}, {depth}: {mean:.2f}" for depth, mean in study.means[method].items()]
        mark(line, "point", index, words=words)
    ax.axhline(0, color="0.5", linewidth=1)
    ax.set_xticks(columns, study.depths, rotation=30, ha="right", rotation_mode="anchor", fontsize=TEXT_PT)
    ax.set_ylim(min(-0.3, study.means.min(axis=None) - 0.1), 1.05)
    ax.set_xlabel("random from the head down to", fontsize=TEXT_PT)
    ax.set_ylabel("rank correlation with the trained map", fontsize=TEXT_PT)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=TEXT_PT)
    return ax


def make_heat_page(study):
    """Return the page that draws one choice of picture, depth and method after another."""
    return Page(SIZE_INCHES, functools.partial(_draw_static, study), functools.partial(_draw_dynamic, study))


def _draw_static(study, figure):
    """Draw the curves and three empty frames; return the four axes."""
    boxes = (0.01, 0.47, 0.31, 0.41), (0.345, 0.47, 0.31, 0.41), (0.68, 0.47, 0.31, 0.41), (0.08, 0.15, 0.9, 0.22)
    picture, trained, random, curves = (figure.add_axes(box) for box in boxes)
    side_px = study.inputs.shape[1]
    for ax in (picture, trained, random):
        ax.set(xlim=(0, side_px), ylim=(side_px, 0), xticks=[], yticks=[], aspect="equal")
    for ax in (trained, random):
        draw_heat_legend(ax)
    draw_correlations(study, curves)
    curves.set_ylabel("rank correlation", fontsize=TEXT_PT)
    curves.set_title("rank correlation with the trained map, mean over all pictures", fontsize=10)
    return picture, trained, random, curves


def _draw_dynamic(study, summary, axes):
    """Draw the picture and its two heat maps, and mark the chosen point."""
    picture, trained, random, curves = axes
    choice, shown = summary.choice, study.inputs[summary.choice.picture]
    draw_input(shown, picture)
    for ax, heat in ((trained, summary.trained), (random, summary.random)):
        draw_heat_map(heat, shown, ax, legend=False)
    captions = f"explained class: {summary.label}", "trained", f"random down to: {choice.depth}"
    for ax, caption in zip((picture, trained, random), captions, strict=True):
        ax.text(0.5, 1.03, caption, transform=ax.transAxes, ha="center", va="bottom", fontsize=9.5)
    heading = {"transform": picture.figure.transFigure, "va": "center", "fontsize": 10.5, "weight": "bold"}
    picture.text(0.01, 0.94, f"{choice.method}: {summary.similarity}", **heading)
    column = study.depths.index(choice.depth)
    curves.plot(column, study.means[choice.method].iloc[column], **RING | {"markersize": 15}, **FIXED)
