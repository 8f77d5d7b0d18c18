"""The arms of a comparison, and how each is run on a split: trained or solved. Without torch until one is run."""

import contextlib
import typing
import warnings

import numpy as np

from tlkit.comparison.runner import run_cells, tabulate
from tlkit.cpu.measure import measured
from tlkit.evaluation.paired_gains import PairedGains
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.images.splits import split_for

HAND_MADE = "hand_made"
DEFAULT_SIZE_PX = 96
# Every seed has too few pictures for the same reason, so that its warning is shown for the first seed only.
_REPEATED_WARNINGS = "shots: |l2_penalty: "


def read_inputs(backbone, images, strategies, n_least, image_size_px):
    """Return (Backbone, ImageSet, {name: Strategy, Probe or "hand_made"}), loaded by name or default if need be."""
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
    return backbone, images, arms


def describe_arms(backbone, images, arms):
    """Return the settings of a comparison as plain values that JSON can hold."""
    return {
        "backbone": backbone.name,
        "weights": backbone.provenance["source"],
        "image_size_px": backbone.image_size_px,
        "pictures": repr(images),
        "pictures_hash": images.content_hash,
        "strategies": {name: arm if arm == HAND_MADE else arm.describe() for name, arm in arms.items()},
    }


def run_arms(backbone, images, arms, shots, seeds, *, title, progress, n_workers):
    """Run every arm at each number of shots with each seed; return (runs, predictions), two DataFrames."""
    runner = ArmRunner(backbone, images, arms, shots, seeds)
    results = run_cells(
        *(runner.cells, runner, runner.extract),
        unit_of=lambda cell: cell.seed,
        units="seeds",
        title=title,
        progress=progress,
        n_workers=n_workers,
        may_fork=runner.needs_training,
        stacklevel=4,
    )
    runs, predictions = tabulate(results, ArmCell._fields)
    probabilities = [evaluation.probabilities.max(axis=1) for _, (evaluation, _) in results]
    columns = [*ArmCell._fields, "picture", "group", "label", "predicted", "probability"]
    return runs, predictions.assign(probability=np.concatenate(probabilities))[columns]


def average_runs(runs):
    """Return the means over seeds, one row per strategy and number of shots in the order of `runs`."""
    import pandas as pd

    rows = []
    for (strategy, shots), arm in runs.groupby(["strategy", "shots"], sort=False):
        low, high = PairedGains(arm["accuracy"].to_numpy(), select_folds(arm)).interval()
        means = arm.mean(numeric_only=True)[["accuracy", "balanced_accuracy", "duration_s", "n_train", "n_steps"]]
        row = {"strategy": strategy, "shots": shots, **means, "accuracy_low": low, "accuracy_high": high}
        row |= {"peak_memory_mib": arm["peak_memory_mib"].max(), "n_seeds": arm["seed"].nunique()}
        rows.append(row)
    return pd.DataFrame(rows)


def select_folds(runs):
    """Return the folds of runs for `PairedGains`; None if all are the same."""
    # The interval then holds for the pictures of this fold.
    return runs["fold"].to_numpy() if runs["fold"].nunique() > 1 else None


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

    def __init__(self, backbone, images, arms, shots, seeds):
        self.backbone, self.images, self.arms = backbone, images, arms
        # An arm that needs no training amounts to a `Probe`; the others have None.
        self.probes = {name: _find_probe(arm) for name, arm in arms.items()}
        self.features, self.rows = {}, {name: row for row, name in enumerate(images.names)}
        self.cells, self.draws, self.first_seed = [], {}, seeds[0]
        for seed in seeds:
            fold, train, test = split_for(images, seed)
            for n_shots in shots:
                with self._warning_once(seed):
                    self.draws[n_shots, seed] = train.few(n_shots, seed=seed), test
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

        probe, features = self.probes[name], self.features[self._find_source(name)]
        with measured() as measurement:
            head = fit_head(self._look_up(features, train), probe.kind, seed=seed, **probe.settings)
            evaluation = evaluate_probabilities(head.predict(self._look_up(features, test).values), test)
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

    def _look_up(self, features, images):
        """Return the Features of some of the pictures."""
        return features[[self.rows[name] for name in images.names]]

    def _find_source(self, name):
        """Return what determines an arm's features; arms with the same source share them."""
        if name == HAND_MADE:
            return HAND_MADE
        probe = self.probes[name]
        return probe.resolve(self.backbone), probe.pooled

    def _extract(self, source, progress):
        """Return the Features of all pictures for a source as `_find_source` returns it."""
        if source == HAND_MADE:
            from tlkit.features.hand_made import extract_hand_made

            return extract_hand_made(self.images, self.backbone.image_size_px)
        from tlkit.features.extract import extract_features

        stage, pooled = source
        return extract_features(self.backbone, self.images, progress=progress, stage=stage, pooled=pooled)


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
