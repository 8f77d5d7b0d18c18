"""The course of a training: loss and accuracy over epochs, on training and held-out pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlkit.arguments import check_known
from tlkit.plots.style import style_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tlkit.inspection.training_curves import TrainingCurves

_SETS = (("", "training pictures"), ("validation_", "held-out pictures"))
_LABELS = {"loss": "loss (nats)", "accuracy": "accuracy (share correct)"}


def draw_training(curves: TrainingCurves, ax: Axes, *, score: str = "loss") -> Axes:
    """Draw the loss or accuracy over the epochs of a training, on training pictures and on held-out pictures.

    Dotted lines separate phases. A black ring marks each epoch with the weights that were used.

    Parameters
    ----------
    curves : TrainingCurves
        Result of `tlkit.inspection.summarise_training`.
    ax : matplotlib Axes
        Axes to draw on.
    score : {"loss", "accuracy"}
        Values to draw.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Raises
    ------
    ValueError
        If the score is unknown.

    Examples
    --------
    >>> import tlkit as tl
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
    ax.set_xlabel("epoch")
    ax.set_ylabel(_LABELS[score])
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return ax
