"""Who fits a budget and how good they are, and whether the scores that say so were right."""

import io

import numpy as np
from PIL import Image

from tlkit.plots.comparison import COLOURS, MARKERS
from tlkit.plots.page import DOTS_PER_INCH
from tlkit.plots.pareto import draw_pareto, format_cost
from tlkit.summaries.backbone_table import format_column

SIZE_INCHES = (9.8, 4.8)


def draw_choice(table, selection, ax, *, score, cost="n_flops", names="name", predicted=None):
    """Draw the scores of the candidates that fit against their cost, with the front that no other dominates.

    Arguments
    ---------
    table: DataFrame
        A row a candidate.
    selection: Selection
        Of this table, as `tlkit.summaries.backbone_choice.choose` returns it.
    ax: matplotlib axis
    score: str
        A column; more is better.
    cost: "n_flops", "n_parameters" or "image_size_px"
    names: str
        The column with their names.
    predicted: str, optional
        Who gets a ring round it.

    Returns the axis.
    """
    _, divisor = format_cost(cost)
    # The axes hold all candidates, so that they stay where they are when the budget changes.
    scored = table.dropna(subset=[cost, score])
    ax.set_xscale("log")
    if len(scored):
        ax.set_xlim(scored[cost].min() / divisor / 1.3, scored[cost].max() / divisor * 1.6)
        room = 0.1 * (scored[score].max() - scored[score].min()) or 0.01
        ax.set_ylim(scored[score].min() - room, scored[score].max() + room)
    over = table[~selection.fits]
    if len(over):
        ax.plot(over[cost] / divisor, over[score], "x", color="0.6", label="over budget", zorder=1)
    draw_pareto(table[selection.fits], ax, cost=cost, score=score, names=names)
    if predicted is not None:
        row = table[table[names] == predicted].iloc[0]
        ring = {"markersize": 17, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
        ax.plot(row[cost] / divisor, row[score], "o", zorder=10, label="your prediction", **ring)
    ax.legend(fontsize="small", loc="lower right")
    return ax


def render_choice(table, selection, **how):
    """Return the same as a PNG (bytes), for where there are no axes; arguments as in `draw_choice`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Drawn once; a layout that finds its own margins draws everything a second and a third time.
    canvas = FigureCanvasAgg(Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH))
    draw_choice(table, selection, canvas.figure.add_axes((0.08, 0.12, 0.89, 0.86)), **how)
    canvas.draw()
    content = io.BytesIO()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    picture.quantize(64).save(content, "PNG")
    return content.getvalue()


def draw_agreement(agreement, ax):
    """Draw how scores agree with measured accuracy: Kendall's tau with its interval, a row a score.

    Arguments
    ---------
    agreement: DataFrame
        As `tlkit.selection.compare_with_accuracy` returns it.
    ax: matplotlib axis

    Returns the axis. A score without a tau has no row.
    """
    rows = agreement.dropna(subset="tau").reset_index(drop=True)
    for place, kind in enumerate(dict.fromkeys(rows["kind"])):
        of_kind = rows[rows["kind"] == kind]
        lengths = np.abs(of_kind[["tau_low", "tau_high"]].sub(of_kind["tau"], axis=0).to_numpy().T)
        style = {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": "none", "capsize": 4}
        ax.errorbar(of_kind["tau"], of_kind.index, xerr=lengths, label=kind, **style)
    ax.axvline(0, color="0.5", linewidth=1)
    ax.set_yticks(range(len(rows)), rows["score"].map(format_column))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-1.05, 1.05)
    ax.set_xlabel("order of the candidates against measured accuracy (Kendall's tau, 95 % interval)")
    ax.legend(fontsize="small", loc="lower left")
    ax.grid(axis="x", alpha=0.3)
    return ax
