"""WiSE-FT: weights between those of a pretrained network with its linear probe and those of the tuned network."""

import collections.abc
import copy
import dataclasses

import pandas as pd
import torch

from tlkit.arguments import check_number
from tlkit.cpu.threads import default_states
from tlkit.images.imageset import ImageSet
from tlkit.notices import show_progress
from tlkit.training.batches import TrainingPictures
from tlkit.training.changed_weights import list_changed_since
from tlkit.training.early_stopping import put_back, take_tensors
from tlkit.training.precise_batch_norm import STATISTICS, find_norm_layers, reestimate_norm_statistics
from tlkit.training.run import Run, check_run

MIXING_COEFFICIENTS = tuple(step / 10 for step in range(11))


def interpolate_with_parent(training, *, mixing_coefficient):
    """End a training with the weights (1 - c) × before tuning + c × after it, c the mixing coefficient."""
    # Wortsman et al. 2022 (Robust fine-tuning of zero-shot models). Their parent is a zero-shot classifier; ours, for
    # networks that have none, is the pretrained network with its linear probe, from which tuning has to start. Running
    # statistics that moved suit neither mixture, so they are estimated anew on the training pictures.
    _check_mixing_coefficient(mixing_coefficient)
    if training.parent is None:
        return
    tuned = take_tensors(training.backbone, training.head)
    moved = _moved_norm_layers(training.parent, tuned)
    put_back(_interpolate(training.parent, tuned, mixing_coefficient), training.backbone, training.head)
    if moved and 0 < mixing_coefficient < 1:
        reestimate_norm_statistics(training.backbone, training.pictures, training.settings.seed, moved)


@default_states()
def interpolate_runs(parent: Run, tuned: Run, mixing_coefficient: float, *, train: ImageSet | None = None) -> Run:
    """Interpolate the weights of two runs, (1 - c) × parent + c × tuned, where c is the mixing coefficient.

    Between a run and another tuned from it, such as a "linear_probe" and the "lp_ft" of the same pictures and seed,
    accuracy often rises before it falls [1]_. Runs without a common start, such as two from scratch, don't mix.

    Parameters
    ----------
    parent, tuned : Run
        Runs of the same network, size and classes.
    mixing_coefficient : float
        From 0 to 1. At both ends the weights are those of the run there, bit for bit.
    train : ImageSet, optional
        Training pictures to estimate running statistics of norm layers on, needed if the runs differ in these.

    Returns
    -------
    Run
        A run like the tuned one, with which its looks at test sets are counted: each coefficient is one more look.

    Raises
    ------
    TypeError, ValueError
        If the coefficient is out of range, the runs do not fit, or norm statistics differ and `train` is missing.

    References
    ----------
    .. [1] Wortsman et al. 2022, Robust fine-tuning of zero-shot models.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> strategies = [tl.Strategy([tl.Phase([part], 1, 1e-3)], name=part) for part in ("head", "all")]
    >>> parent, tuned = (tl.transfer(backbone, images, strategy, progress=False) for strategy in strategies)
    >>> interpolate_runs(parent, tuned, 0.5).strategy["name"]
    'all at 0.5'
    """
    _check_mixing_coefficient(mixing_coefficient)
    _check_fit(parent, tuned)
    ends = [take_tensors(run.backbone, run.head) for run in (parent, tuned)]
    moved = _moved_norm_layers(*ends) if 0 < mixing_coefficient < 1 else []
    if moved and train is None:
        why = f"the runs differ in the running statistics of {len(moved)} norm layers"
        raise ValueError(f"train: None, but {why}: give the training pictures, to estimate them anew")
    backbone, head = copy.deepcopy(tuned.backbone), copy.deepcopy(tuned.head)
    put_back(_interpolate(*ends, mixing_coefficient), backbone, head)
    if mixing_coefficient == 0:
        backbone.provenance = parent.backbone.provenance
    if moved:
        pictures = TrainingPictures(train.with_classes(tuned.classes), backbone.recipe, tuned.seed)
        reestimate_norm_statistics(backbone, pictures, tuned.seed, moved)
    interpolated = {"mixing_coefficient": mixing_coefficient, "parent": parent.strategy}
    name = f"{tuned.strategy['name']} at {mixing_coefficient:g}"
    return dataclasses.replace(
        tuned,
        backbone=backbone.eval(),
        head=head.eval(),
        strategy=tuned.strategy | {"name": name, "interpolated": interpolated},
        tuned={0: parent.tuned, 1: tuned.tuned}.get(mixing_coefficient, True),
        completed=parent.completed and tuned.completed,
        changed=list_changed_since(backbone, parent, tuned),
        adapters={},
        trained_on=list(dict.fromkeys([*parent.trained_on, *tuned.trained_on])),
        adapted_to=list(dict.fromkeys([*parent.adapted_to, *tuned.adapted_to])),
    )


def interpolation_curve(
    parent: Run,
    tuned: Run,
    images: ImageSet,
    mixing_coefficients: collections.abc.Sequence = MIXING_COEFFICIENTS,
    *,
    train: ImageSet | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score the interpolation of two runs at several mixing coefficients.

    Parameters
    ----------
    parent, tuned : Run
        As in `interpolate_runs`.
    images : ImageSet
        Pictures to score on. Each coefficient is one more look, so the best on a test set is no honest result there.
    mixing_coefficients : sequence of float, default=(0, 0.1, …, 1)
        Coefficients from 0, the parent, to 1, the tuned run.
    train, progress : ImageSet, optional, and bool
        As in `interpolate_runs`, and whether to show a bar over the coefficients.

    Returns
    -------
    pandas.DataFrame
        One row per coefficient with these columns:

        - mixing_coefficient (float): weight of the tuned run, 0 to 1.
        - accuracy (float): share of the pictures predicted correctly, 0 to 1.
        - balanced_accuracy (float): mean over the classes of that share, 0 to 1.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> train, test = tl.load_images("styles", domain="photo").few(2).split()
    >>> strategies = [tl.Strategy([tl.Phase([part], 1, 1e-3)], name=part) for part in ("head", "all")]
    >>> parent, tuned = (tl.transfer(backbone, train, strategy, progress=False) for strategy in strategies)
    >>> interpolation_curve(parent, tuned, test, [0, 0.5], progress=False)["mixing_coefficient"].tolist()
    [0.0, 0.5]
    """
    rows = []
    for mixing_coefficient in show_progress(None, "interpolation", "run", progress, iterable=mixing_coefficients):
        scores = interpolate_runs(parent, tuned, mixing_coefficient, train=train).evaluate(images)
        rows.append((mixing_coefficient, scores.accuracy, scores.balanced_accuracy))
    return pd.DataFrame(rows, columns=["mixing_coefficient", "accuracy", "balanced_accuracy"])


def _interpolate(parent, tuned, mixing_coefficient):
    """Return the tensors between two networks; integers, such as counters, are those of the tuned one."""
    if mixing_coefficient in (0, 1):  # a product with 0 would lose the sign of a zero
        return parent if mixing_coefficient == 0 else tuned
    # Unlike a sum of two products, lerp keeps a value that both have: frozen weights keep their bits.
    return {
        name: torch.lerp(parent[name].to(value.device), value, mixing_coefficient)
        if value.is_floating_point()
        else value
        for name, value in tuned.items()
    }


def _moved_norm_layers(parent, tuned):
    """Return the paths, within the backbone, of the norm layers whose running statistics differ."""
    statistics = {name: value for name, value in tuned.items() if name.endswith(STATISTICS)}
    differing = [name for name, value in statistics.items() if not torch.equal(parent[name].to(value.device), value)]
    return find_norm_layers(name.removeprefix("backbone.") for name in differing)


def _check_mixing_coefficient(value):
    """Raise TypeError or ValueError if a mixing coefficient is not from 0, the parent, to 1, the tuned network."""
    check_number("mixing_coefficient", value, at_least=0, at_most=1, hint=", 0 for the parent and 1 for the tuned run")


def _check_fit(parent, tuned):
    """Raise TypeError or ValueError if two runs can't be interpolated."""
    facts = []
    for argument, run in (("parent", parent), ("tuned", tuned)):
        check_run(argument, run)
        shapes = {name: tuple(value.shape) for name, value in take_tensors(run.backbone, run.head).items()}
        network = {"network": run.backbone.name, "image_size_px": run.backbone.image_size_px}
        facts.append(network | {"classes": list(run.classes)} | shapes)
    for name in facts[0] | facts[1]:
        of_parent, of_tuned = (each.get(name) for each in facts)
        if of_parent != of_tuned:
            values = f"its {name} is {of_parent}, that of tuned is {of_tuned}"
            raise ValueError(f"parent: {values}; expected runs of one network at one size with the same classes")
