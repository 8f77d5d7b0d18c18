"""WiSE-FT: weights between those of a pretrained network with its probe and those that tuning made of it."""

import copy
import dataclasses

import pandas as pd
import torch

from tlkit.training.batches import TrainingPictures
from tlkit.training.changed_weights import list_changed_since
from tlkit.training.early_stopping import put_back, take_tensors
from tlkit.training.norm_statistics import STATISTICS, find_norm_layers, reestimate_norm_statistics
from tlkit.training.run import check_run

MIXING_COEFFICIENTS = tuple(step / 10 for step in range(11))


def interpolate_with_parent(training, *, mixing_coefficient):
    """End a training with the weights (1 - mixing_coefficient) × before tuning + mixing_coefficient × after it.

    Wortsman et al. 2022 (Robust fine-tuning of zero-shot models). Their parent is a zero-shot classifier; ours, for
    networks that have none, is the pretrained network with its linear probe, from which tuning has to start. Running
    statistics of norm layers that moved belong to neither mixture, and are estimated anew on the training pictures.

    Arguments
    ---------
    training: Training
        Its network is changed in place. Where no phase tuned anything, nothing is.
    mixing_coefficient: float
        From 0, the parent, to 1, the tuned network.

    Raises ValueError for a mixing_coefficient out of range.
    """
    _check_mixing_coefficient(mixing_coefficient)
    if training.parent is None:
        return
    tuned = take_tensors(training.backbone, training.head)
    moved = _moved_norm_layers(training.parent, tuned)
    put_back(_interpolate(training.parent, tuned, mixing_coefficient), training.backbone, training.head)
    if moved and 0 < mixing_coefficient < 1:
        reestimate_norm_statistics(training.backbone, training.pictures, training.settings.seed, moved)


def interpolate_runs(parent, tuned, mixing_coefficient, *, train=None):
    """Return a `Run` with the weights (1 - c) × parent + c × tuned, where c is the mixing coefficient.

    Between a run and what it was tuned from, such as a "linear_probe" and the "lp_ft" of the same pictures and seed,
    the weights lie on a line along which accuracy often rises before it falls (Wortsman et al. 2022, Robust fine-tuning
    of zero-shot models). Between runs that share no start, such as two from scratch, there is no such line.

    Arguments
    ---------
    parent, tuned: Run
        Of the same network, size and classes.
    mixing_coefficient: float
        From 0 to 1; at both ends the weights are those of the run there, bit for bit.
    train: ImageSet, optional
        Training pictures, by which running statistics of norm layers are estimated anew; needed where the two runs
        differ in them.

    Returns a `Run` like the tuned one. Looks at test sets are counted together with those of the tuned run: who tries
    mixing_coefficients on a test set has looked at it with all of them.

    Raises ValueError for a coefficient out of range, for runs that don't fit together, and without `train` if norm
    statistics differ; TypeError for what is no run.
    """
    _check_mixing_coefficient(mixing_coefficient)
    _check_fit(parent, tuned)
    ends = [take_tensors(run.backbone, run.head) for run in (parent, tuned)]
    moved = _moved_norm_layers(*ends) if 0 < mixing_coefficient < 1 else []
    if moved and train is None:
        raise ValueError(
            f"train: None, but the runs differ in the running statistics of {len(moved)} norm layers, which can't be "
            "interpolated: give the training pictures, on which they are estimated anew"
        )
    backbone, head = copy.deepcopy(tuned.backbone), copy.deepcopy(tuned.head)
    put_back(_interpolate(*ends, mixing_coefficient), backbone, head)
    if moved:
        pictures = TrainingPictures(train.with_classes(tuned.classes), backbone.recipe, tuned.seed)
        reestimate_norm_statistics(backbone, pictures, tuned.seed, moved)
    return dataclasses.replace(
        tuned,
        backbone=backbone.eval(),
        head=head.eval(),
        strategy=tuned.strategy
        | {
            "name": f"{tuned.strategy['name']} at {mixing_coefficient:g}",
            "interpolated": {"mixing_coefficient": mixing_coefficient, "parent": parent.strategy},
        },
        tuned={0: parent.tuned, 1: tuned.tuned}.get(mixing_coefficient, True),
        completed=parent.completed and tuned.completed,
        changed=list_changed_since(backbone, parent, tuned),
        adapters={},
        adapted_to=list(dict.fromkeys([*parent.adapted_to, *tuned.adapted_to])),
    )


def interpolation_curve(parent, tuned, images, mixing_coefficients=MIXING_COEFFICIENTS, *, train=None, progress=False):
    """Return the scores of `interpolate_runs` at several coefficients: mixing_coefficient, accuracy, balanced_accuracy.

    Arguments
    ---------
    parent, tuned, train
        As in `interpolate_runs`.
    images: ImageSet
        What is predicted. Each coefficient is one more look at it, counted with the tuned run's: the best one on a
        test set is not an honest result on that set.
    mixing_coefficients: sequence of float
    progress: bool
        Show a bar for each.
    """
    rows = []
    for mixing_coefficient in mixing_coefficients:
        scores = interpolate_runs(parent, tuned, mixing_coefficient, train=train).evaluate(images, progress=progress)
        rows.append((mixing_coefficient, scores.accuracy, scores.balanced_accuracy))
    return pd.DataFrame(rows, columns=["mixing_coefficient", "accuracy", "balanced_accuracy"])


def _interpolate(parent, tuned, mixing_coefficient):
    """Return the tensors between two networks; counters, which are integers, are those of the tuned one."""
    if mixing_coefficient in (0, 1):  # a product with 0 would lose the sign of a zero
        return parent if mixing_coefficient == 0 else tuned
    # Unlike a sum of two products, lerp leaves a value that both have as it is: what was frozen keeps its bits.
    return {
        name: torch.lerp(parent[name].to(value.device), value, mixing_coefficient)
        if value.is_floating_point()
        else value
        for name, value in tuned.items()
    }


def _moved_norm_layers(parent, tuned):
    """Return the paths, within the backbone, of the norm layers of which running statistics differ."""
    statistics = {name: value for name, value in tuned.items() if name.endswith(STATISTICS)}
    differing = [name for name, value in statistics.items() if not torch.equal(parent[name].to(value.device), value)]
    return find_norm_layers(name.removeprefix("backbone.") for name in differing)


def _check_mixing_coefficient(mixing_coefficient):
    if isinstance(mixing_coefficient, bool) or not isinstance(mixing_coefficient, (int, float)):
        raise TypeError(
            f"mixing_coefficient: {mixing_coefficient!r}, expected a number from 0, the parent, to 1, the tuned network"
        )
    if not 0 <= mixing_coefficient <= 1:
        raise ValueError(
            f"mixing_coefficient: {mixing_coefficient!r}, expected a number from 0, the parent, to 1, the tuned network"
        )


def _check_fit(parent, tuned):
    for argument, run in (("parent", parent), ("tuned", tuned)):
        check_run(argument, run)
    for what, of_parent, of_tuned in (
        ("network", parent.backbone.name, tuned.backbone.name),
        ("image_size_px", parent.backbone.image_size_px, tuned.backbone.image_size_px),
        ("classes", list(parent.classes), list(tuned.classes)),
    ):
        if of_parent != of_tuned:
            raise ValueError(
                f"parent: its {what} is {of_parent}, that of tuned is {of_tuned}; weights can be interpolated only "
                "between runs of one network at one size with the same classes"
            )
    shapes = [
        {name: tuple(value.shape) for name, value in take_tensors(run.backbone, run.head).items()}
        for run in (parent, tuned)
    ]
    if shapes[0] != shapes[1]:
        names = sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()})
        raise ValueError(
            f"parent: {names[0]} is not in tuned with the same shape, nor are {len(names) - 1} others; weights can be "
            "interpolated only between runs of one network"
        )
