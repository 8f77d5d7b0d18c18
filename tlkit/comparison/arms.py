"""The arms of a comparison, and how each is run on a split: trained or solved. Without torch until one is run."""

import typing

import numpy as np
import pandas as pd

from tlkit.arguments import check_known, check_one_label
from tlkit.comparison.runner import run_cells, tabulate
from tlkit.cpu.memory import measured
from tlkit.cpu.threads import hide_warnings
from tlkit.evaluation.paired_gains import FIXED_FOLD, score_arm
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.images.imageset import check_images
from tlkit.images.splits import N_FOLDS, split_for
from tlkit.notices import warn
from tlkit.strategies.probe import Probe
from tlkit.strategies.strategy import Strategy

HAND_MADE = "hand_made"
DEFAULT_SIZE_PX = 96
_COSTS = ("duration_s", "peak_memory_mib")
# Every seed has too few pictures for the same reason, so that its warning is shown for the first seed only.
REPEATED_WARNINGS = "shots: |l2_penalty: "


def read_inputs(backbone, images, strategies, n_least, image_size_px, test, several=False):
    """Return (Backbone, ImageSet, {name: Strategy, Probe or "hand_made"}, test set or None), loaded if need be."""
    from tlkit.backbones.loader import load_backbone
    from tlkit.backbones.networks import is_text
    from tlkit.images import load_images
    from tlkit.strategies import get

    images = load_images("styles", domain="clipart") if images is None else images
    if not several:
        check_one_label("images", images)
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, **({} if is_text(backbone) else {"image_size_px": image_size_px}))
    arms = {}
    for strategy in [strategies] if isinstance(strategies, (str, Probe, Strategy)) else strategies:
        arm = strategy if isinstance(strategy, Probe) or strategy == HAND_MADE else get(strategy)
        name = arm if arm == HAND_MADE else arm.name
        if name in arms:
            raise ValueError(f"strategies: two are called {name!r}, expected different names: Strategy(…, name=…)")
        if arm != HAND_MADE:
            arm.resolve(backbone)
        arms[name] = arm
    if len(arms) < n_least:
        raise ValueError(f"strategies: {list(arms)}, expected at least {'two to compare' if n_least > 1 else 'one'}")
    return backbone, images, arms, None if test is None else read_test(images, test)


def read_test(images, test):
    """Return a test set with the classes of the training pictures; ValueError if it has others, or the same files."""
    check_images("test", test, several=images.labels.ndim == 2)
    if test.labels.ndim != images.labels.ndim:
        raise TypeError("test: one class per picture, expected several labels as the training pictures have them")
    if not test.counts.any():
        raise ValueError(f"test: {len(test)} {test.noun}s, none of a known class, expected one or more")
    known = [images.classes[label] for label in np.flatnonzero(images.counts)]
    check_known("test (select(classes=…) leaves out others)", np.array(test.classes)[test.counts > 0], known)
    rows = {images.digest(row): row for row in range(len(images))}
    copies = [row for row in range(len(test)) if test.digest(row) in rows]
    is_shared = np.isin(test.groups, images.groups)
    if copies:
        names = str(test.names[copies[0]]), str(images.names[rows[test.digest(copies[0])]])
        raise ValueError(
            f"test: {len(copies)} of {len(test)} {test.noun}s are also training {test.noun}s (data leakage), for "
            f"example {names[0]!r}, there {names[1]!r}: remove these files, or "
            + ("" if is_shared[copies].all() else "give both copies one group and ")
            + "pass images.disjoint_from(test) instead of images"
        )
    if is_shared.any() and (images.groups != images.names).any():
        shared = f"{is_shared.sum()} of {len(test)} {test.noun}s share groups with training {test.noun}s"
        warn(f"test: {shared}, so scores may be too high: pass images.disjoint_from(test) instead of images")
    return test.with_classes(images.classes)


def choose_split(images, seed, test):
    """Return (fold, training ImageSet, test ImageSet) of a seed; a fixed test set leaves all images for training."""
    noun = f"{images.noun}s"
    advice = f"add {noun}, or pass other {noun} to test on as test="
    try:
        fold, train, tested = split_for(images, seed) if test is None else (FIXED_FOLD, images, test)
    except ValueError as error:
        n_largest = images.counts.max(initial=0)
        given = f"{len(images)} {noun}, at most {n_largest} per class, in {len(np.unique(images.groups))} groups"
        message = f"images: {given}, expected {N_FOLDS} or more in a class, of different groups: one per test fold"
        raise ValueError(f"{message}: {advice}") from error
    if len(present := np.flatnonzero(train.counts)) < 2:
        given = f"with seed {seed}, training {noun} are only of {[images.classes[label] for label in present]}"
        raise ValueError(f"images: {given}, expected two classes with two or more groups each: {advice}")
    return fold, train, tested


def describe_arms(backbone, images, arms, test):
    """Return the settings of a comparison as plain values that JSON can hold."""
    described = {} if test is None else {"test": repr(test), "test_hash": test.content_hash}
    return described | {
        "backbone": backbone.name,
        "weights": backbone.provenance["source"],
        "image_size_px": backbone.image_size_px,
        "pictures": repr(images),
        "pictures_hash": images.content_hash,
        "strategies": {name: arm if arm == HAND_MADE else arm.describe() for name, arm in arms.items()},
    }


def run_arms(backbone, images, arms, shots, seeds, test, on_run=None, **settings):
    """Run every arm at each number of shots with each seed; return (runs, predictions), two DataFrames."""
    runner = ArmRunner(backbone, images, arms, shots, seeds, test)
    settings |= {"unit_of": lambda cell: cell.seed, "units": "seeds", "may_fork": runner.needs_training}
    settings |= {"on_result": on_run and (lambda *result: on_run(*tabulate_arms([result])))}
    return tabulate_arms(run_cells(runner.cells, runner, runner.extract, **settings))


def tabulate_arms(results):
    """Return (runs, predictions) of results, as `Comparison` has them."""
    runs, predictions = tabulate(results, ArmCell._fields)
    probabilities = [evaluation.probabilities.max(axis=1) for _, (evaluation, _) in results]
    columns = [*ArmCell._fields, "picture", "group", "label", "predicted", "probability"]
    return runs, predictions.assign(probability=np.concatenate(probabilities))[columns]


def average_runs(runs, predictions):
    """Return the means over seeds, one row per strategy and number of shots in the order of `runs`."""
    rows = []
    for (strategy, shots), arm in runs.groupby(["strategy", "shots"], sort=False):
        low, high = score_arm(arm, predictions).interval()
        means = arm.mean(numeric_only=True)[["accuracy", "balanced_accuracy", "duration_s", "n_train", "n_steps"]]
        row = {"strategy": strategy, "shots": shots, **means, "accuracy_low": low, "accuracy_high": high}
        rows.append(row | {"peak_memory_mib": arm["peak_memory_mib"].max(), "n_seeds": arm["seed"].nunique()})
    return pd.DataFrame(rows)


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

    def __init__(self, backbone, images, arms, shots, seeds, test=None, settings=None):
        self.backbone, self.arms, self.settings = backbone, arms, settings or {}
        self.sets = [images] if test is None else [images, test]
        # An arm that needs no training amounts to a `Probe`; the others have None.
        self.probes = {name: _find_probe(arm, self.settings) for name, arm in arms.items()}
        # Of each set: its Features by source, and the row of each picture.
        self.features, self.rows = {}, [{name: row for row, name in enumerate(part.names)} for part in self.sets]
        self.cells, self.draws, self.first_seed = [], {}, seeds[0]
        for seed in seeds:
            with self._warning_once(seed):
                fold, train, tested = choose_split(images, seed, test)
                for n_shots in shots:
                    self.draws[n_shots, seed] = train.few(n_shots, seed=seed), tested
                    self.cells += [ArmCell(name, n_shots, seed, fold) for name in arms]

    def _warning_once(self, seed):
        """Return a context without the warnings that the first seed shows."""
        return hide_warnings(REPEATED_WARNINGS if seed != self.first_seed else None)

    def needs_training(self, cell):
        """Return whether the arm of a cell is trained, rather than a probe solved on features of this process."""
        return not self.probes[cell.strategy]

    def extract(self, progress, in_fork, names=None):
        """Compute the features of all pictures that (some) arms need; in a fork only those that are kept on disk."""
        probes = {name: self.probes[name] for name in names or self.probes}
        for name, probe in probes.items():
            if probe and not (in_fork and name == HAND_MADE):
                source = self._find_source(name)
                if source not in self.features:
                    self.features[source] = self._extract(source, progress)
        trained = [self.arms[name] for name, probe in probes.items() if not probe]
        if any(not arm.prepare and arm.phases[0].n_epochs is None for arm in trained):
            # They first solve a head on the unchanged backbone: with all pictures at once, runs find features on disk.
            self._extract((None, True), progress)

    def __call__(self, cell):
        """Return (Evaluation, its scores and costs as a dict) of a run."""
        train, test = self.draws[cell.shots, cell.seed]
        with self._warning_once(cell.seed):
            run = self._train if self.needs_training(cell) else self._probe
            evaluation, costs = run(cell.strategy, train, test, cell.seed)
        scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
        return evaluation, scores | {"n_train": len(train)} | costs

    def _probe(self, name, train, test, seed):
        """Solve a head on features that are known."""
        from tlkit.heads import fit_head

        probe, features = self.probes[name], self.features[self._find_source(name)]
        with measured() as measurement:
            drawn, tested = (
                features[part][[self.rows[part][name] for name in images.names]]
                for part, images in ((0, train), (-1, test))
            )
            if features[0] is self.sets[0]:
                from tlkit.features.hand_made import weigh_terms

                drawn, tested = weigh_terms(drawn, tested)
            head = fit_head(drawn, probe.kind, seed=seed, **probe.settings)
            evaluation = evaluate_probabilities(head.predict(tested.values), test)
        return evaluation, {"n_steps": 0} | {name: getattr(measurement, name) for name in _COSTS}

    def _train(self, name, train, test, seed):
        """Train a strategy."""
        from tlkit.training.transfer import transfer

        run = transfer(self.backbone, train, self.arms[name], seed=seed, progress=False, **self.settings)
        if not run.completed:
            raise KeyboardInterrupt
        return run.evaluate(test), {name: getattr(run, name) for name in ("n_steps", *_COSTS)}

    def _find_source(self, name):
        """Return what determines an arm's features; arms with the same source share them."""
        if name == HAND_MADE:
            return HAND_MADE
        probe = self.probes[name]
        return probe.resolve(self.backbone), probe.pooled

    def _extract(self, source, progress):
        """Return the Features of all pictures, one per set, for a source as `_find_source` returns it."""
        if source == HAND_MADE and self.sets[0].noun == "text":
            return self.sets  # whose terms are weighed anew for each run, by its training texts alone
        if source == HAND_MADE:
            from tlkit.features.hand_made import extract_hand_made

            return [extract_hand_made(images, self.backbone.image_size_px, progress) for images in self.sets]
        from tlkit.features.extract import extract_features

        settings = dict(zip(("stage", "pooled"), source, strict=True), progress=progress)
        return [extract_features(self.backbone, images, **settings) for images in self.sets]


def _find_probe(arm, settings):
    """Return the `Probe` that an arm amounts to if it needs no training, else None; `transfer` applies settings."""
    if arm == HAND_MADE:
        return Probe("ridge", name=HAND_MADE)
    if isinstance(arm, Probe):
        return arm
    is_solved = all(phase.n_epochs is None and phase.objective is None for phase in arm.phases)
    return Probe("logistic", name=arm.name) if is_solved and not (arm.prepare or arm.finish or settings) else None
