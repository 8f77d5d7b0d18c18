"""One picture's heat map, from the trained network and from a partly random one, and how similar they are."""

import numpy as np
from matplotlib.axes import Axes

from tlkit.inspection.random_weights import HeatStudy
from tlkit.plots.heat_maps import draw_heat_legend, draw_heat_map, draw_input
from tlkit.plots.letters import with_plain_texts
from tlkit.plots.page import Page
from tlkit.plots.style import FIXED, RING, TEXT_PT, style_curve
from tlkit.plots.vector import mark

SIZE_INCHES = (9.0, 6.2)


@with_plain_texts
def draw_correlations(study: HeatStudy, ax: Axes) -> Axes:
    """Draw how similar heat maps stay to the trained network's while its weights are made random, per method.

    Parameters
    ----------
    study, ax : HeatStudy and matplotlib Axes
        Result of `tlkit.inspection.study_heat_maps`, and the axes to draw on.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from tlkit.inspection.random_weights import HeatStudy
    >>> table = {"method": ["cam"] * 2, "depth": ["trained", "head"], "picture": [0, 0], "correlation": [1.0, 0.4]}
    >>> study = HeatStudy(None, ["bird"], ["1.png"], ["trained", "head"], {"cam": None}, pd.DataFrame(table))
    >>> draw_correlations(study, Figure().subplots()).get_xlabel()
    'random from the head down to'
    """
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


class HeatStudyPage(Page):
    """Draw one choice of picture, depth and method after another."""

    def __init__(self, study):
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_static(study, figure),
            lambda summary, axes: _draw_dynamic(summary, study, axes),
        )


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


def _draw_dynamic(summary, study, axes):
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
