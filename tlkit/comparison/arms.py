"""The arms of a comparison, and how each is run on a split: trained or solved. Without torch until one is run."""

import contextlib
import typing
import warnings

import numpy as np

from tlkit.comparison.fixed_test import FIXED_FOLD, choose_split, read_test
from tlkit.comparison.runner import run_cells, tabulate
from tlkit.cpu.measure import measured
from tlkit.evaluation.paired_gains import PairedGains
from tlkit.evaluation.scores import evaluate_probabilities

HAND_MADE = "hand_made"
DEFAULT_SIZE_PX = 96
# Every seed has too few pictures for the same reason, so that its warning is shown for the first seed only.
_REPEATED_WARNINGS = "shots: |l2_penalty: "


def read_inputs(backbone, images, strategies, n_least, image_size_px, test):
    """Return (Backbone, ImageSet, {name: Strategy, Probe or "hand_made"}, test set or None), loaded if need be."""
    from tlkit.backbones.loader import load_backbone
    from tlkit.images import load_images
    from tlkit.strategies import get
    from tlkit.strategies.probe import Probe
    from tlkit.strategies.strategy import Strategy

    images = load_images("styles", domain="clipart") if images is None else images
    backbone = load_backbone(backbone, image_size_px=image_size_px) if isinstance(backbone, str) else backbone
    is_single = isinstance(strategies, (str, Probe, Strategy))
    arms = {}
    for strategy in [strategies] if is_single else strategies:
        arm = strategy if isinstance(strategy, Probe) or strategy == HAND_MADE else get(strategy)
        name = arm if arm == HAND_MADE else arm.name
        if name in arms:
            raise ValueError(f"strategies: two are called {name!r}, expected different names: Strategy(…, name=…)")
        if arm != HAND_MADE:
            arm.resolve(backbone)
        arms[name] = arm
    if len(arms) < n_least:
        expected = {1: "one", 2: "two to compare"}[n_least]
        raise ValueError(f"strategies: {list(arms)}, expected at least {expected}")
    return backbone, images, arms, None if test is None else read_test(images, test)


def describe_arms(backbone, images, arms, test):
    """Return the settings of a comparison as plain values that JSON can hold."""
    fixed = {} if test is None else {"test": repr(test), "test_hash": test.content_hash}
    return fixed | {
        "backbone": backbone.name,
        "weights": backbone.provenance["source"],
        "image_size_px": backbone.image_size_px,
        "pictures": repr(images),
        "pictures_hash": images.content_hash,
        "strategies": {name: arm if arm == HAND_MADE else arm.describe() for name, arm in arms.items()},
    }


def run_arms(backbone, images, arms, shots, seeds, test, *, title, progress, n_workers, on_run):
    """Run every arm at each number of shots with each seed; return (runs, predictions), two DataFrames."""
    runner = ArmRunner(backbone, images, arms, shots, seeds, test)
    results = run_cells(
        *(runner.cells, runner, runner.extract),
        unit_of=lambda cell: cell.seed,
        units="seeds",
        title=title,
        progress=progress,
        n_workers=n_workers,
        may_fork=runner.needs_training,
        stacklevel=4,
        on_result=on_run and (lambda cell, result: on_run(*_tabulate([(cell, result)]))),
    )
    return _tabulate(results)


def _tabulate(results):
    """Return (runs, predictions) of results, as `Comparison` has them."""
    runs, predictions = tabulate(results, ArmCell._fields)
    probabilities = [evaluation.probabilities.max(axis=1) for _, (evaluation, _) in results]
    columns = [*ArmCell._fields, "picture", "group", "label", "predicted", "probability"]
    return runs, predictions.assign(probability=np.concatenate(probabilities))[columns]


def average_runs(runs, predictions):
    """Return the means over seeds, one row per strategy and number of shots in the order of `runs`."""
    import pandas as pd

    rows = []
    for (strategy, shots), arm in runs.groupby(["strategy", "shots"], sort=False):
        low, high = measure_accuracy(arm, predictions).interval()
        means = arm.mean(numeric_only=True)[["accuracy", "balanced_accuracy", "duration_s", "n_train", "n_steps"]]
        row = {"strategy": strategy, "shots": shots, **means, "accuracy_low": low, "accuracy_high": high}
        row |= {"peak_memory_mib": arm["peak_memory_mib"].max(), "n_seeds": arm["seed"].nunique()}
        rows.append(row)
    return pd.DataFrame(rows)


def measure_accuracy(arm, predictions, above=0):
    """Return the `PairedGains` of the runs of one arm over a constant accuracy."""
    gains, folds = arm["accuracy"].to_numpy() - above, arm["fold"].to_numpy()
    if (folds == FIXED_FOLD).all():  # seeds share the test pictures, which are a sample too
        here = predictions[(predictions[["strategy", "shots"]] == arm[["strategy", "shots"]].iloc[0]).all(axis=1)]
        here = here.assign(right=(here["label"] == here["predicted"]) - above)
        table = here.pivot(index="seed", columns="picture", values="right")
        groups = here.drop_duplicates("picture").set_index("picture")["group"].loc[table.columns]
        return PairedGains(gains, None, table.to_numpy(), groups.to_numpy())
    # With a single fold, the interval holds for the pictures of this fold.
    return PairedGains(gains, folds if len(set(folds)) > 1 else None)


class ArmCell(typing.NamedTuple):
    """One run: an arm trained on some shots of a seed and tested on its fold."""

    strategy: str
    shots: int
    seed: int
    fold: int

    def __str__(self):
        return f"{self.strategy}, {self.shots} shots, seed {self.seed}"


class ArmRunner:
    """Runs an `ArmCell`; the pictures are drawn once for all arms, and features are computed once by `extract`."""

    def __init__(self, backbone, images, arms, shots, seeds, test=None):
        self.backbone, self.arms = backbone, arms
        self.sets = [images] if test is None else [images, test]
        # An arm that needs no training amounts to a `Probe`; the others have None.
        self.probes = {name: _find_probe(arm) for name, arm in arms.items()}
        # Of each set: its Features by source, and the row of each picture.
        self.features, self.rows = {}, [{name: row for row, name in enumerate(part.names)} for part in self.sets]
        self.cells, self.draws, self.first_seed = [], {}, seeds[0]
        for seed in seeds:
            fold, train, tested = choose_split(images, seed, test)
            for n_shots in shots:
                with self._warning_once(seed):
                    self.draws[n_shots, seed] = train.few(n_shots, seed=seed), tested
                self.cells += [ArmCell(name, n_shots, seed, fold) for name in arms]

    def needs_training(self, cell):
        """Return whether the arm of a cell is trained, rather than a probe solved on features of this process."""
        return not self.probes[cell.strategy]

    def extract(self, progress, in_fork):
        """Compute the features of all pictures that arms need; in a fork only those that are kept on disk."""
        for name, probe in self.probes.items():
            if probe and not (in_fork and name == HAND_MADE):
                source = self._find_source(name)
                if source not in self.features:
                    self.features[source] = self._extract(source, progress)
        if any(_solves_head(arm) for name, arm in self.arms.items() if not self.probes[name]):
            # All pictures at once: the runs then find their features on disk.
            self._extract((None, True), progress)

    def __call__(self, cell):
        """Return (Evaluation, its scores and costs as a dict) of a run."""
        train, test = self.draws[cell.shots, cell.seed]
        with self._warning_once(cell.seed):
            run = self._train if self.needs_training(cell) else self._probe
            evaluation, costs = run(cell.strategy, train, test, cell.seed)
        scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
        return evaluation, scores | {"n_train": len(train)} | costs

    @contextlib.contextmanager
    def _warning_once(self, seed):
        """Hide warnings of later seeds that the first one has shown."""
        with warnings.catch_warnings():
            if seed != self.first_seed:
                warnings.filterwarnings("ignore", message=_REPEATED_WARNINGS)
            yield

    def _probe(self, name, train, test, seed):
        """Solve a head on features that are known."""
        from tlkit.heads import fit_head

        probe = self.probes[name]
        with measured() as measurement:
            head = fit_head(self._look_up(name, 0, train), probe.kind, seed=seed, **probe.settings)
            evaluation = evaluate_probabilities(head.predict(self._look_up(name, -1, test).values), test)
        costs = {"duration_s": measurement.duration_s, "peak_memory_mib": measurement.peak_memory_mib}
        return evaluation, {"n_steps": 0} | costs

    def _train(self, name, train, test, seed):
        """Train a strategy."""
        from tlkit.training.transfer import transfer

        run = transfer(self.backbone, train, self.arms[name], seed=seed, progress=False)
        if not run.completed:
            raise KeyboardInterrupt
        costs = {name: getattr(run, name) for name in ("n_steps", "duration_s", "peak_memory_mib")}
        return run.evaluate(test), costs

    def _look_up(self, name, index, images):
        """Return an arm's Features of some pictures of a set, by the index of the set."""
        rows = self.rows[index]
        return self.features[self._find_source(name)][index][[rows[name] for name in images.names]]

    def _find_source(self, name):
        """Return what determines an arm's features; arms with the same source share them."""
        if name == HAND_MADE:
            return HAND_MADE
        probe = self.probes[name]
        return probe.resolve(self.backbone), probe.pooled

    def _extract(self, source, progress):
        """Return the Features of all pictures, one per set, for a source as `_find_source` returns it."""
        if source == HAND_MADE:
            from tlkit.features.hand_made import extract_hand_made

            return [extract_hand_made(images, self.backbone.image_size_px) for images in self.sets]
        from tlkit.features.extract import extract_features

        settings = dict(zip(("stage", "pooled"), source, strict=True), progress=progress)
        return [extract_features(self.backbone, images, **settings) for images in self.sets]


def _find_probe(arm):
    """Return the `Probe` that an arm amounts to if it needs no training, else None."""
    from tlkit.strategies.probe import Probe

    if arm == HAND_MADE:
        return Probe("ridge", name=HAND_MADE)
    if isinstance(arm, Probe):
        return arm
    is_solved = all(phase.n_epochs is None and phase.objective is None for phase in arm.phases)
    return Probe("logistic", name=arm.name) if is_solved and not (arm.prepare or arm.finish) else None


def _solves_head(arm):
    """Return whether a trained strategy first solves a head on features of the unchanged backbone."""
    return not arm.prepare and arm.phases[0].n_epochs is None
