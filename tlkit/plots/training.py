"""The course of a training: loss and accuracy over epochs, on training and held-out pictures."""

from matplotlib.axes import Axes

from tlkit.arguments import check_known
from tlkit.inspection.training_curves import TrainingCurves
from tlkit.plots.style import finish_curves, style_curve, with_plain_texts

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
