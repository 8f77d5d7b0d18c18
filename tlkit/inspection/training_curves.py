"""Training curves: loss and accuracy per epoch, the selected epochs, and the gap to the held-out pictures."""

import dataclasses
import math

import pandas as pd

import tlkit as tl


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingCurves:
    """Loss and accuracy of a run by epoch, as `summarise_training` returns them."""

    table: pd.DataFrame
    n_held_out: int  # held-out pictures, approximately

    @property
    def selected(self) -> pd.Series:
        """The row whose weights the run has at the end; the last row if an interrupted run has later weights."""
        kept = self.table[self.table["selected"]]
        return (kept if len(kept) else self.table).iloc[-1]

    @property
    def loss_gap(self) -> float:
        """Validation loss minus training loss at the selected epoch, in nats; NaN without held-out pictures."""
        return float(self.selected["validation_loss"] - self.selected["loss"])

    @property
    def accuracy_gap(self) -> float:
        """Training accuracy minus validation accuracy at the selected epoch; NaN without held-out pictures."""
        return float(self.selected["accuracy"] - self.selected["validation_accuracy"])


def summarise_training(run: "tl.Run") -> TrainingCurves:
    """Summarise the training of a run by epoch, with the selected epoch of each phase.

    Parameters
    ----------
    run : Run
        Has at least one epoch.

    Returns
    -------
    TrainingCurves
        Has `selected`, the row with the run's weights, `loss_gap`, `accuracy_gap`, and a `table`, by epoch:

        - phase, epoch (int): numbers from 1.
        - loss, accuracy (float): means over the training batches, with augmentation and dropout, each before its step.
        - validation_loss, validation_accuracy (float): on held-out pictures after the epoch, NaN if there are none.
        - selected (bool): whether the phase ended with the weights of this epoch.

    Raises
    ------
    ValueError
        If the run has no epochs because its head was solved.

    Notes
    -----
    With held-out pictures (`validation=`) a phase ends with the weights of the epoch that has the smallest validation
    loss, the first one in case of ties; without, it ends with the weights of its last epoch. If a run was interrupted,
    no epoch of its last phase is selected. `loss` is the training objective, including label smoothing, class weights,
    penalties and adaptation objectives: it is comparable to the validation loss only without these.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 2, 1e-3)], name="short"), progress=False)
    >>> summarise_training(run).table[["phase", "epoch", "selected"]].values.tolist()
    [[1, 1, False], [1, 2, True]]
    """
    if not run.history:
        raise ValueError(f"run: {run} has no epochs, since its head was solved; use a strategy with a phase of epochs")
    table = pd.DataFrame(run.history)
    for column in ("validation_loss", "validation_accuracy"):
        if column not in table:
            table[column] = math.nan
    table["phase"] = _find_phases(run)
    table["selected"] = False
    for phase, rows in table.groupby("phase"):
        if phase == table["phase"].iloc[-1] and not run.completed:
            continue
        is_held_out = rows["validation_loss"].notna().all()
        table.loc[rows["validation_loss"].idxmin() if is_held_out else rows.index[-1], "selected"] = True
    columns = ["phase", "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "selected"]
    share = run.strategy.get("validation") or 0
    n_held_out = round(run.n_train / max(2, round(1 / share))) if share else 0
    return TrainingCurves(table[columns], n_held_out)


def _find_phases(run):
    """Return the number of the phase, from 1, of each row of the history."""
    # The history does not record phases. Early stopping may have ended one before its n_epochs, so we repeat its rule:
    # a phase ends once `patience` epochs have passed since its best validation loss.
    patience, phases, rows = run.strategy.get("patience"), [], list(run.history)
    for number, phase in enumerate(run.strategy["phases"], 1):
        best_loss, best_index = math.inf, 0
        for index, row in enumerate(rows[: phase.get("n_epochs", 0)]):
            phases.append(number)
            if row.get("validation_loss", math.inf) < best_loss:
                best_loss, best_index = row["validation_loss"], index
            if patience is not None and index - best_index >= patience and "validation_loss" in row:
                break
        rows = run.history[len(phases) :]
    return phases
