"""Curves: over the epochs of a training, between the weights of two networks, and over the number of pictures."""

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from tlkit.arguments import check_known
from tlkit.comparison.crossings import CROSSES
from tlkit.inspection.training_curves import TrainingCurves
from tlkit.names import format_strategy
from tlkit.plots.style import ACCURACY, SHOTS, TEXT_PT, finish_curves, name_inputs, style_curve, with_plain_texts

_SETS = (("", "training pictures"), ("validation_", "held-out pictures"))
_LABELS = {"loss": "loss (nats)", "accuracy": "accuracy (share correct)"}


@with_plain_texts
def draw_training(curves: TrainingCurves, ax: Axes, *, score: str = "loss") -> Axes:
    """Draw the loss or accuracy over the epochs of a training, on training pictures and on held-out pictures.

    Dotted lines separate phases. A black ring marks each epoch with the weights that were used.

    Parameters
    ----------
    curves, ax : TrainingCurves and matplotlib Axes
        Result of `tlkit.inspection.summarise_training`, and the axes to draw on.
    score : {"loss", "accuracy"}
        Values to draw; ValueError if they are unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(2)
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 2, 1e-2)]), progress=False)
    >>> draw_training(tl.inspection.summarise_training(run), Figure().subplots()).get_ylabel()
    'loss (nats)'
    """
    check_known("score", [score], list(_LABELS))
    table, held_out = curves.table, curves.table["validation_loss"].notna().any()
    for index, (prefix, label) in enumerate(_SETS[: 2 if held_out else 1]):
        ax.plot(table["epoch"], table[f"{prefix}{score}"], label=label, markersize=4, **style_curve(index))
    selected, column = table[table["selected"]], f"validation_{score}" if held_out else score
    ring = {"color": "black", "marker": "o", "markersize": 11, "fillstyle": "none", "linestyle": "none"}
    ax.plot(selected["epoch"], selected[column], label="weights used", **ring)
    for first in table.groupby("phase")["epoch"].min()[1:]:
        ax.axvline(first - 0.5, color="0.5", linestyle=":", linewidth=1)
    if score == "accuracy":
        ax.set_ylim(0, 1.03)
    ax.xaxis.get_major_locator().set_params(integer=True)
    finish_curves(ax, "epoch", _LABELS[score])
    return ax


_COLUMNS = ("mixing_coefficient", "accuracy")


@with_plain_texts
def draw_interpolation(curves: dict[str, DataFrame], ax: Axes) -> Axes:
    """Draw the accuracy over the mixing coefficient of an interpolation, one curve per set of pictures.

    A thin straight line joins the ends of each curve. Above it, mixing weights is better than mixing accuracies.

    Parameters
    ----------
    curves, ax : dict of str to DataFrame, and matplotlib Axes
        Results of `tlkit.training.interpolation_curve` by name, such as "in the domain"; and the axes to draw on.

    Raises
    ------
    ValueError
        If there is no curve, or one lacks a column or has fewer than two rows.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> curve = pd.DataFrame({"mixing_coefficient": [0.0, 0.5, 1.0], "accuracy": [0.6, 0.75, 0.7]})
    >>> draw_interpolation({"here": curve}, Figure().subplots()).get_legend().get_texts()[0].get_text()
    'here'
    """
    if not curves:
        raise ValueError("curves: empty, expected tables from interpolation_curve by the names of their pictures")
    for index, (name, curve) in enumerate(curves.items()):
        check_known(f"curves[{name!r}]", _COLUMNS, list(curve))
        if len(curve) < 2:
            raise ValueError(f"curves[{name!r}]: {len(curve)} mixing_coefficients, expected at least two, its ends")
        mixing_coefficients, accuracies = curve.sort_values("mixing_coefficient")[list(_COLUMNS)].to_numpy(float).T
        style = style_curve(index)
        ax.plot(mixing_coefficients, accuracies, label=name, **style)
        ax.plot(mixing_coefficients[[0, -1]], accuracies[[0, -1]], color=style["color"], linewidth=0.7, alpha=0.7)
    everything = np.concatenate([curve["accuracy"].to_numpy(float) for curve in curves.values()])
    ax.set_ylim(max(0.0, everything.min() - 0.05), min(1.0, everything.max() + 0.05))
    finish_curves(ax, "mixing coefficient (0: the weights before tuning, 1: those after it)", ACCURACY)
    return ax


_STRIP = 0.09  # height of one crossing's bar and its text, as a share of the axes


@with_plain_texts
def draw_learning_curve(curve, ax):
    """Draw a `LearningCurve`: curves with bands of 95 % intervals, and each significant crossing on a bar."""
    table, crossings = curve.table, curve.crossings[curve.crossings["verdict"] == CROSSES]
    for index, (strategy, arm) in enumerate(table.groupby("strategy", sort=False)):
        style = style_curve(index)
        ax.plot(arm["shots"], arm["accuracy"], label=format_strategy(strategy), **style)
        # The edges have the line's style, so that overlapping bands can be told apart in gray.
        low, high = arm["accuracy_low"], arm["accuracy_high"]
        ax.fill_between(arm["shots"], low, high, alpha=0.13, color=style["color"], linewidth=0)
        for edge in (low, high):
            ax.plot(arm["shots"], edge, linewidth=0.6, alpha=0.7, **style | {"marker": ""})
    ax.set_xscale("log", base=2)
    shots = sorted(table["shots"].unique().tolist())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    # The curves lie above one strip per crossing.
    scores = table[["accuracy", "accuracy_low", "accuracy_high"]]
    bottom, top = max(0.0, scores.min(axis=None) - 0.02), min(1.0, scores.max(axis=None) + 0.02)
    strips = (len(crossings) + 0.2 * (len(crossings) > 0)) * _STRIP
    ax.set_ylim(bottom - (top - bottom) * strips / (1 - strips), top)
    ax.set_yticks([tick for tick in ax.get_yticks() if bottom - 1e-9 <= tick <= top])
    for index, crossing in enumerate(crossings.itertuples()):
        _draw_crossing(crossing, table, (index + 0.4) * _STRIP, ax)
    finish_curves(ax, *(name_inputs(words, curve.description) for words in (f"shots ({SHOTS})", ACCURACY)))
    return ax


def _draw_crossing(crossing, table, height, ax):
    """Draw a crossing at a height (share of the axes), with a dotted line to the curves and a sentence."""
    bar = {"color": "black", "transform": ax.get_xaxis_transform()}  # x in shots, y as a share of the axes' height
    ax.plot([crossing.shots_low, crossing.shots_high], [height, height], "-|", linewidth=2, markersize=9, **bar)
    ax.plot([crossing.shots], [height], "o", markersize=6, **bar)
    arm = table[table["strategy"] == crossing.ahead_after]
    meets = np.interp(np.log2(crossing.shots), np.log2(arm["shots"].to_numpy()), arm["accuracy"])
    bottom, top = ax.get_ylim()
    ax.plot([crossing.shots] * 2, [bottom + height * (top - bottom), meets], linestyle=(0, (1, 2)), color="black")
    text = (
        f"{format_strategy(crossing.ahead_after)} overtakes {format_strategy(crossing.ahead_before)} at "
        f"{crossing.shots:.2g} shots ({crossing.shots_low:.2g} to {crossing.shots_high:.2g})"
    )
    # Aligned at the edge that is nearer to the bar, so that the text has the whole width.
    left, right = ax.get_xlim()
    side = "left" if crossing.shots**2 < left * right else "right"
    corner = (0.012 if side == "left" else 0.988, height + 0.28 * _STRIP)
    # On white, since the dotted line of a lower crossing may pass through the text.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(*corner, text, transform=ax.transAxes, ha=side, va="bottom", fontsize=TEXT_PT, bbox=box)
