"""The course of a training: loss and accuracy, what was taken of it, and the gap to the pictures held out."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingCurves:
    """What a run's history says; `summarise_training` makes one.

    Arguments
    ---------
    table: DataFrame
        A row an epoch: phase (from 1), epoch, loss, accuracy (over the epoch's batches, as they were learned from:
        augmented, with dropout, and before the steps that came later in it), validation_loss, validation_accuracy (at
        the epoch's end, on plain pictures; NaN where none were held out), taken (bool).
    n_held: int
        About how many pictures were held out: the share that was asked for, of all.
    """

    table: object
    n_held: int

    @property
    def taken(self):
        """The row whose weights the run has at the end, or the last one where its weights are later ones; a Series."""
        kept = self.table[self.table["taken"]]
        return (kept if len(kept) else self.table).iloc[-1]

    @property
    def loss_gap(self):
        """Validation loss less training loss at the epoch that was taken, in nats; NaN where none were held out."""
        return float(self.taken["validation_loss"] - self.taken["loss"])

    @property
    def accuracy_gap(self):
        """Training accuracy less validation accuracy at the epoch that was taken; NaN where none were held out."""
        return float(self.taken["accuracy"] - self.taken["validation_accuracy"])


def summarise_training(run):
    """Read how a training went, and which epoch of each phase was taken.

    With pictures held out (`validation=`) a phase ends with the weights of the epoch that has its smallest validation
    loss, the first of equal ones; without, with those of its last. Of a run that was interrupted no epoch of its last
    phase was taken: its weights are those of the last step. `loss` is what was minimised, with label smoothing,
    class weights, penalties and objectives; only where there are none it can be compared with the validation loss.

    Arguments
    ---------
    run: Run

    Returns `TrainingCurves`. Raises ValueError for a run whose head was solved and that has no epochs.
    """
    import pandas as pd

    if not run.history:
        raise ValueError(
            f"run: {run} has no epochs, since its head was solved; take a strategy with a phase of one epoch or more"
        )
    table = pd.DataFrame(run.history)
    for column in ("validation_loss", "validation_accuracy"):
        if column not in table:
            table[column] = math.nan
    table["phase"] = _find_phases(run)
    table["taken"] = False
    for phase, rows in table.groupby("phase"):
        if phase == table["phase"].iloc[-1] and not run.completed:
            continue
        is_held = rows["validation_loss"].notna().all()
        table.loc[rows["validation_loss"].idxmin() if is_held else rows.index[-1], "taken"] = True
    columns = ["phase", "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "taken"]
    share = run.strategy.get("validation") or 0
    n_held = round(run.n_train / max(2, round(1 / share))) if share else 0
    return TrainingCurves(table[columns], n_held)


def _find_phases(run):
    """Return the number of the phase, from 1, of each row of the history."""
    # Early stopping ends a phase where patience says so; what it did is done again here.
    patience, phases, rows = run.strategy.get("patience"), [], list(run.history)
    for number, phase in enumerate(run.strategy["phases"], 1):
        best_loss, best_place = math.inf, 0
        for place, row in enumerate(rows[: phase.get("n_epochs", 0)]):
            phases.append(number)
            if row.get("validation_loss", math.inf) < best_loss:
                best_loss, best_place = row["validation_loss"], place
            if patience is not None and place - best_place >= patience:
                break
        rows = run.history[len(phases) :]
    return phases
