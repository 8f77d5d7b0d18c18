"""One picture's heat map, trained and made random down to a depth, beside how like each other they stay."""

import numpy as np

from tlkit.plots.comparison import COLOURS
from tlkit.plots.heat_maps import draw_heat_map, draw_input
from tlkit.plots.page import Page

SIZE_INCHES = (11.0, 3.7)
_LINES, _MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D")


def draw_correlations(study, ax):
    """Draw how like the trained run's the heat maps stay, over how far down the run was made random: a curve a method.

    Arguments
    ---------
    study: HeatStudy
    ax: matplotlib axis

    Returns the axis.
    """
    places = np.arange(len(study.depths))
    for number, method in enumerate(study.maps):
        style = {"color": COLOURS[number], "linestyle": _LINES[number % 4], "marker": _MARKERS[number % 4]}
        ax.plot(places, study.means[method], label=method, **style)
    ax.axhline(0, color="0.5", linewidth=1)
    ax.set_xticks(places, study.depths, rotation=40, ha="right", fontsize=8)
    ax.set_ylim(min(-0.3, study.means.min(axis=None) - 0.1), 1.05)
    ax.set_xlabel("random from the head down to", fontsize=9)
    ax.set_ylabel("rank correlation with the trained map", fontsize=9)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax


def draw_heat_study(summary, study, figure):
    """Draw a choice of picture, depth and method on an empty figure, best of `SIZE_INCHES`.

    Arguments
    ---------
    summary: HeatMapSummary
    study: HeatStudy
        That the reading was taken from.
    figure: matplotlib Figure

    Returns the figure.
    """
    _draw_what_changes(summary, study, _draw_what_stays(study, figure))
    return figure


class HeatStudyPage(Page):
    """The same drawing, made again and again for pictures, depths and methods of one `HeatStudy`."""

    def __init__(self, study):
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_what_stays(study, figure),
            lambda summary, axes: _draw_what_changes(summary, study, axes),
        )


def _draw_what_stays(study, figure):
    places = (0.01, 0.05, 0.2, 0.72), (0.22, 0.05, 0.2, 0.72), (0.43, 0.05, 0.2, 0.72), (0.72, 0.28, 0.27, 0.6)
    picture, trained, random, curves = (figure.add_axes(place) for place in places)
    side_px = study.inputs.shape[1]
    for ax in (picture, trained, random):
        ax.set(xlim=(0, side_px), ylim=(side_px, 0), xticks=[], yticks=[], aspect="equal")
    draw_correlations(study, curves)
    curves.set_title("mean over all pictures", fontsize=10)
    return picture, trained, random, curves


def _draw_what_changes(summary, study, axes):
    picture, trained, random, curves = axes
    choice, square = summary.choice, study.inputs[summary.choice.picture]
    draw_input(square, picture)
    for ax, heat in ((trained, summary.trained), (random, summary.random)):
        draw_heat_map(heat, square, ax)
    captions = f"explained: {summary.label}", "as trained", f"random down to: {choice.depth}"
    for ax, caption in zip((picture, trained, random), captions, strict=True):
        ax.text(0.5, 1.03, caption, transform=ax.transAxes, ha="center", va="bottom", fontsize=9.5)
    heading = {"transform": picture.figure.transFigure, "va": "center", "fontsize": 10.5, "weight": "bold"}
    picture.text(0.01, 0.94, f"{choice.method}: {summary.similarity}", **heading)
    place = study.depths.index(choice.depth)
    ring = {"markersize": 15, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
    curves.plot(place, study.means[choice.method].iloc[place], "o", zorder=10, scalex=False, scaley=False, **ring)
