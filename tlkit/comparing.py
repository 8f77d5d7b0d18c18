"""`compare`: strategies on the same splits and seeds. Without torch until it runs."""

import warnings

import numpy as np

from tlkit.evaluation.comparison import summarise
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.measuring import measured

HAND_MADE = "hand_made"
DEFAULT_STRATEGIES = ("from_scratch", HAND_MADE, "linear_probe", "fine_tune", "lp_ft")
N_FOLDS = 5
DEFAULT_SIZE_PX = 96


def compare(
    backbone="efficientnet_lite0",
    images=None,
    strategies=DEFAULT_STRATEGIES,
    shots=(5,),
    seeds=N_FOLDS,
    *,
    image_size_px=DEFAULT_SIZE_PX,
    baseline=None,
    progress=True,
):
    """Train each strategy at each number of shots with each seed, all arms of a seed on the same pictures.

    A seed draws everything: the test fold (seed modulo 5), the shots from the other four, random weights, order and
    augmentation.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    images: ImageSet, optional
        By default the bundled clip-art.
    strategies: list of str or Strategy
        "hand_made" is a ridge on histograms of gradients and colours, without a network.
    shots: list of int
        Training pictures a class; a class that has fewer gives all it has.
    seeds: int or list of int
        A number n stands for 0 to n - 1; use each fold equally often: 5, 10, …
    image_size_px: int
        At which a backbone given by name is loaded; a `Backbone` keeps its own.
    baseline: str, optional
        What gains are against; by default "from_scratch", or else the first strategy.
    progress: bool

    Returns a `Comparison`. Ctrl-C ends it and returns the seeds that were done by all arms, if there is one.
    """
    from tlkit.images import load_images

    images = load_images("styles", domain="clipart") if images is None else images
    backbone = _load(backbone, image_size_px)
    arms = _check_strategies(strategies, backbone)
    shots, seeds = _check_numbers("shots", shots, 1), _check_numbers("seeds", seeds, 0)
    if baseline is None:
        baseline = "from_scratch" if "from_scratch" in arms else next(iter(arms))
    if baseline not in arms:
        raise ValueError(f"baseline: {baseline!r} is not compared; there are {', '.join(arms)}")
    run_rows, prediction_rows = [], []
    for row, predictions in _run_cells(backbone, images, arms, shots, seeds, progress):
        run_rows.append(row)
        prediction_rows.append(predictions)
    if not (whole_seeds := seeds[: len(run_rows) // (len(shots) * len(arms))]):
        raise KeyboardInterrupt
    run_rows = [row for row in run_rows if row["seed"] in whole_seeds]
    prediction_rows = prediction_rows[: len(run_rows)]
    description = {
        "backbone": backbone.name,
        "weights": backbone.provenance["source"],
        "image_size_px": backbone.image_size_px,
        "pictures": repr(images),
        "pictures_hash": images.content_hash,
        "strategies": {name: arm if arm == HAND_MADE else arm.describe() for name, arm in arms.items()},
    }
    return summarise(run_rows, prediction_rows, baseline, description)


def _load(backbone, image_size_px):
    if not isinstance(backbone, str):
        return backbone
    from tlkit.backbones.loading import load_backbone

    return load_backbone(backbone, image_size_px=image_size_px)


def _check_strategies(strategies, backbone):
    from tlkit.strategies import get

    strategies = [strategies] if isinstance(strategies, str) else list(strategies)
    arms = {}
    for strategy in strategies:
        arm = strategy if strategy == HAND_MADE else get(strategy)
        name = arm if arm == HAND_MADE else arm.name
        if name in arms:
            raise ValueError(f"strategies: {name!r} stands twice, expected a name each: Strategy(…, name=…)")
        if arm != HAND_MADE:
            arm.resolve(backbone)
        arms[name] = arm
    if len(arms) < 2:
        raise ValueError(f"strategies: {list(arms)}, expected at least two to compare")
    return arms


def _check_numbers(argument, values, smallest):
    if isinstance(values, (int, np.integer)) and not isinstance(values, bool):
        values = list(range(values)) if argument == "seeds" else [values]
    values = [int(value) if isinstance(value, np.integer) else value for value in values]
    if not values or any(isinstance(v, bool) or not isinstance(v, int) or v < smallest for v in values):
        raise ValueError(f"{argument}: {values}, expected whole numbers of at least {smallest}")
    if len(set(values)) != len(values):
        raise ValueError(f"{argument}: {values} has one twice")
    return values


def _run_cells(backbone, images, arms, shots, seeds, progress):
    from tqdm.auto import tqdm

    run_arm = _ArmRunner(backbone, images, arms)
    cells = [(seed, n_shots, name) for seed in seeds for n_shots in shots for name in arms]
    with tqdm(cells, desc="compare", unit="run", disable=not progress) as bar:
        for seed, n_shots, name in bar:
            bar.set_postfix_str(f"{name}, {n_shots} shots, seed {seed}")
            train, test = images.split(test_fold=seed % N_FOLDS, n_folds=N_FOLDS)
            with warnings.catch_warnings():
                if (seed, name) != (seeds[0], next(iter(arms))):  # classes with too few pictures are told once
                    warnings.filterwarnings("ignore", message="shots: ")
                few = train.few(n_shots, seed=seed)
            outcome = run_arm(name, few, test, seed)
            if outcome is None:
                return
            evaluation, costs = outcome
            place = {"strategy": name, "shots": n_shots, "seed": seed, "fold": seed % N_FOLDS}
            scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
            yield place | scores | {"n_train": len(few)} | costs, _describe_predictions(place, evaluation)


class _ArmRunner:
    """Runs one arm on one split; what all arms share is computed once."""

    def __init__(self, backbone, images, arms):
        from tlkit.features.extraction import extract_features
        from tlkit.features.hand_made import extract_hand_made

        self.backbone, self.arms = backbone, arms
        # All pictures in one go: the runs then find their features on the disk.
        extract_features(backbone, images, progress=False)
        self.hand_made = extract_hand_made(images, backbone.image_size_px) if HAND_MADE in arms else None
        self.places = {name: place for place, name in enumerate(images.names)}

    def __call__(self, name, few, test, seed):
        """Return (Evaluation, costs), or None where the training was interrupted."""
        from tlkit.heads import fit_head
        from tlkit.strategies.transferring import transfer

        if name != HAND_MADE:
            run = transfer(self.backbone, few, self.arms[name], seed=seed, progress=False)
            costs = {name: getattr(run, name) for name in ("n_steps", "duration_s", "peak_memory_mib")}
            return (run.evaluate(test), costs) if run.completed else None
        with measured() as measurement:
            head = fit_head(self._by_hand(few), "ridge")
            evaluation = evaluate_probabilities(head.predict(self._by_hand(test).values), test)
        costs = {"duration_s": measurement.duration_s, "peak_memory_mib": measurement.peak_memory_mib}
        return evaluation, {"n_steps": 0} | costs

    def _by_hand(self, images):
        return self.hand_made[[self.places[name] for name in images.names]]


def _describe_predictions(place, evaluation):
    table = evaluation.predictions[["picture", "group", "label", "predicted"]]
    table = table.assign(probability=evaluation.probabilities.max(axis=1))
    for column, value in reversed(place.items()):
        table.insert(0, column, value)
    return table
