"""One runner for all comparisons: strategies × shots × seeds, all arms of a seed on the same pictures.

Without torch until it runs.
"""

import contextlib
import itertools
import sys
import typing
import warnings

import numpy as np

from tlkit.comparison.arms import HAND_MADE, ArmRunner
from tlkit.comparison.workers import Helpers, call_apart

N_FOLDS = 5
DEFAULT_SIZE_PX = 96
_TOLD_ONCE = "shots: |l2_penalty: "


def load_network(backbone, image_size_px):
    """Return a `Backbone`, loaded at a size where it is given by name."""
    if not isinstance(backbone, str):
        return backbone
    from tlkit.backbones.loader import load_backbone

    return load_backbone(backbone, image_size_px=image_size_px)


def check_arms(strategies, backbone, n_least):
    """Return {name: arm}, each arm a `Strategy`, a `Probe` or "hand_made", once all of them can be run.

    Arguments
    ---------
    strategies: list of str, Strategy or Probe
    backbone: Backbone
    n_least: int
        How many there must be.
    """
    from tlkit.strategies import get
    from tlkit.strategies.probe import Probe
    from tlkit.strategies.strategy import Strategy

    alone = isinstance(strategies, (str, Probe, Strategy))
    arms = {}
    for strategy in [strategies] if alone else strategies:
        arm = strategy if isinstance(strategy, Probe) or strategy == HAND_MADE else get(strategy)
        name = arm if arm == HAND_MADE else arm.name
        if name in arms:
            raise ValueError(f"strategies: {name!r} stands twice, expected a name each: Strategy(…, name=…)")
        if arm != HAND_MADE:
            arm.resolve(backbone)
        arms[name] = arm
    if len(arms) < n_least:
        wanted = {1: "one", 2: "two to compare"}[n_least]
        raise ValueError(f"strategies: {list(arms)}, expected at least {wanted}")
    return arms


def check_numbers(argument, values, smallest):
    """Return whole numbers as a list of int; a single number n stands for 0 to n - 1 seeds, or for itself as shots."""
    if isinstance(values, (int, np.integer)) and not isinstance(values, bool):
        values = list(range(values)) if argument == "seeds" else [values]
    values = [int(value) if isinstance(value, np.integer) else value for value in values]
    if not values or any(isinstance(v, bool) or not isinstance(v, int) or v < smallest for v in values):
        raise ValueError(f"{argument}: {values}, expected whole numbers of at least {smallest}")
    if len(set(values)) != len(values):
        raise ValueError(f"{argument}: {values} has one twice")
    return values


def describe_arms(backbone, images, arms):
    """Return what is compared as plain values that JSON can hold."""
    return {
        "backbone": backbone.name,
        "weights": backbone.provenance["source"],
        "image_size_px": backbone.image_size_px,
        "pictures": repr(images),
        "pictures_hash": images.content_hash,
        "strategies": {name: arm if arm == HAND_MADE else arm.describe() for name, arm in arms.items()},
    }


def split_for(images, seed):
    """Return (fold, train, test) of a seed."""
    fold = seed % N_FOLDS
    return fold, *images.split(test_fold=fold, n_folds=N_FOLDS)


class Cell(typing.NamedTuple):
    """One run to make.

    Arguments
    ---------
    place: dict
        Its strategy, shots, seed and fold.
    few, test: ImageSet
        Trained on, tested on.
    is_first: bool
        Whether it is of the first seed, where is told what there are too few pictures for.
    """

    place: dict
    few: object
    test: object
    is_first: bool


def run_cells(backbone, images, arms, shots, seeds, *, title, progress, n_workers=1):
    """Run every arm at each number of shots with each seed.

    Features of frozen networks are computed once for all arms, before any of them runs.

    Arguments
    ---------
    backbone: Backbone
    images: ImageSet
    arms: dict
        As `check_arms` returns it.
    shots, seeds: list of int
    title: str
        What the bar says.
    progress: bool
    n_workers: int
        Processes that train at a time, this one among them.

    Returns (rows of runs, a list of dict; tables of predictions, a list of DataFrame), one each a run. Ctrl-C ends it
    and returns the seeds that were done by all arms; KeyboardInterrupt where there is none.
    """
    from tqdm.auto import tqdm

    cells, done = _list_cells(images, arms, shots, seeds), {}
    run_arm = ArmRunner(backbone, arms)

    def run(number):
        cell = cells[number]
        with warnings.catch_warnings():
            if not cell.is_first:
                warnings.filterwarnings("ignore", message=_TOLD_ONCE)
            return run_arm(cell.place["strategy"], cell.few, cell.test, cell.place["seed"])

    # Those that need no training take no time, and the features that they need are here alone.
    trained = [number for number, cell in enumerate(cells) if not run_arm.probes[cell.place["strategy"]]]
    solved = sorted(set(range(len(cells))) - set(trained))
    n_helpers = max(0, min(n_workers, len(trained)) - 1)
    if n_helpers:  # what computes features takes room that is then free for two trainings
        # A notebook's bar would be nobody's there.
        call_apart(lambda: run_arm.extract(images, progress and sys.stderr.isatty(), of_networks=True))
    with contextlib.closing(Helpers(run, n_helpers)) as helpers:
        run_arm.extract(images, progress)
        bar = tqdm(total=len(cells), desc=title, unit="run", disable=not progress)
        try:
            with bar:
                results = itertools.chain(((number, run(number)) for number in solved), helpers.share(trained))
                for number, result in results:
                    done[number] = result
                    place = cells[number].place
                    bar.set_postfix_str(f"{place['strategy']}, {place['shots']} shots, seed {place['seed']}")
                    bar.update()
        except KeyboardInterrupt:
            missing = {cell.place["seed"] for number, cell in enumerate(cells) if number not in done}
            if missing == set(seeds):
                raise
            warnings.warn(
                f"interrupted; the {len(seeds) - len(missing)} seeds that all arms have done are kept", stacklevel=3
            )
            done = {number: result for number, result in done.items() if cells[number].place["seed"] not in missing}
    run_rows, prediction_tables = [], []
    for number, (evaluation, costs) in sorted(done.items()):
        cell = cells[number]
        scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
        run_rows.append(cell.place | scores | {"n_train": len(cell.few)} | costs)
        prediction_tables.append(_describe_predictions(cell.place, evaluation))
    return run_rows, prediction_tables


def _list_cells(images, arms, shots, seeds):
    cells = []
    with warnings.catch_warnings():
        for seed in seeds:
            fold, train, test = split_for(images, seed)
            for n_shots in shots:
                few = train.few(n_shots, seed=seed)
                for name in arms:
                    place = {"strategy": name, "shots": n_shots, "seed": seed, "fold": fold}
                    cells.append(Cell(place, few, test, is_first=seed == seeds[0]))
            warnings.filterwarnings("ignore", message=_TOLD_ONCE)
    return cells


def _describe_predictions(place, evaluation):
    table = evaluation.predictions[["picture", "group", "label", "predicted"]]
    table = table.assign(probability=evaluation.probabilities.max(axis=1))
    for column, value in reversed(place.items()):
        table.insert(0, column, value)
    return table
