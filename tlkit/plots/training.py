"""The course of a training: loss and accuracy over epochs, learned from and held out."""

from tlkit.arguments import check_known
from tlkit.plots.comparison import COLOURS

_SIDES = (
    ("", "learned from", {"color": COLOURS[0], "marker": "o", "linestyle": "-"}),
    ("validation_", "held out", {"color": COLOURS[1], "marker": "s", "linestyle": "--"}),
)
_LABELS = {"loss": "loss (nats)", "accuracy": "accuracy (share right)"}


def draw_training(curves, ax, *, score="loss"):
    """Draw the loss or accuracy of a training over its epochs, on the pictures learned from and on those held out.

    Dotted lines stand between phases; a black ring marks each epoch whose weights were taken.

    Arguments
    ---------
    curves: TrainingCurves
        As `tlkit.inspection.summarise_training` returns them.
    ax: matplotlib axis
    score: "loss" or "accuracy"

    Returns the axis. Raises ValueError for another score.
    """
    check_known("score", [score], list(_LABELS))
    table, held = curves.table, curves.table["validation_loss"].notna().any()
    for prefix, label, style in _SIDES[: 2 if held else 1]:
        ax.plot(table["epoch"], table[f"{prefix}{score}"], label=label, markersize=4, **style)
    selected, column = table[table["selected"]], f"validation_{score}" if held else score
    ring = {"color": "black", "marker": "o", "markersize": 11, "fillstyle": "none", "linestyle": "none"}
    ax.plot(selected["epoch"], selected[column], label="taken", **ring)
    for first in table.groupby("phase")["epoch"].min()[1:]:
        ax.axvline(first - 0.5, color="0.5", linestyle=":", linewidth=1)
    if score == "accuracy":
        ax.set_ylim(0, 1.03)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epoch")
    ax.set_ylabel(_LABELS[score])
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return ax
