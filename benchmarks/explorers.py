"""The time each explorer takes to show one change, compared with building it. Prints a table and the ratio."""

import argparse
import os
import tempfile
import time
import warnings


def main():
    """Build each explorer on the bundled clip-art, change one control repeatedly and print the median time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=15, help="of each explorer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("TLKIT_CACHE_DIR", folder)
        import tlkit as tl

        images = tl.load_images("styles", domain="clipart")
        print("explorer              one change (ms)  longest (ms)  built in (ms)  changes in the time of one building")
        kinds = (prepare_freezing, prepare_choosing, prepare_comparison, prepare_adaptation, prepare_sources)
        for prepare in (*kinds, prepare_heat_maps, prepare_augmentation):
            make, make_changes = prepare(images)
            start = time.perf_counter()
            explorer = make()
            built_ms = 1000 * (time.perf_counter() - start)
            durations_ms = time_changes(explorer, make_changes(explorer), arguments.changes)
            median_ms = sorted(durations_ms)[len(durations_ms) // 2]
            name = type(explorer).__name__
            numbers = f"{median_ms:15.0f}  {max(durations_ms):12.0f}  {built_ms:13.0f}  {built_ms / median_ms:5.1f}"
            print(f"{name:20}  {numbers}", flush=True)


def time_changes(explorer, changes, n_changes):
    """Make changes, one after the other and repeatedly; return the time of each in milliseconds."""
    durations_ms = []
    for number in range(n_changes):
        getattr(explorer, "_kept", {}).clear()  # a choice that was drawn before would only be looked up
        start = time.perf_counter()
        changes[number % len(changes)]()
        durations_ms.append(1000 * (time.perf_counter() - start))
        if explorer.error is not None:
            raise explorer.error
    return durations_ms


def prepare_comparison(images):
    """Return two functions: one builds a ComparisonExplorer, one lists changes of it; thumbnails are read later."""
    import tlkit as tl

    warnings.filterwarnings("ignore", category=UserWarning, module="tlkit")
    strategies, shots = ["hand_made", "linear_probe"], [1, 2, 5, 10, 20]
    comparison = tl.compare(images=images, strategies=strategies, shots=shots, image_size_px=64, progress=False)

    def make_changes(explorer):
        return [lambda number=number: setattr(explorer, "shots", number) for number in shots]

    return lambda: tl.widgets.ComparisonExplorer(comparison, images), make_changes


def prepare_freezing(images):
    """Return two functions: one builds a FreezingExplorer, one lists changes of it."""
    import numpy as np
    import torch

    import tlkit as tl
    from tlkit.backbones.freezing.measurement import measure_freezing

    backbone = tl.load_backbone(image_size_px=64)
    batch = torch.from_numpy(np.stack([backbone.preprocess(images.read(index)) for index in range(4)]))
    costs = measure_freezing(backbone, batch, len(images.classes), n_rounds=1)

    def make_changes(explorer):
        stages = explorer.costs.stages
        return [lambda number=number: setattr(explorer, "frozen", stages[:number]) for number in range(len(stages))]

    return lambda: tl.widgets.FreezingExplorer(costs), make_changes


def prepare_choosing(_images):
    """Return two functions: one builds a BackboneChooser with a prediction, one lists changes of it."""
    import math

    import tlkit as tl
    from tlkit.summaries.backbone_choice import Budget

    table = tl.backbones.table()

    def make():
        chooser = tl.widgets.BackboneChooser(table, "accuracy")
        chooser.predicted = table["name"].iloc[0]
        return chooser

    def make_changes(chooser):
        limits = [0.5e9, 1e9, 4e9, math.inf]
        return [lambda limit=limit: setattr(chooser, "budget", Budget(n_flops=limit)) for limit in limits]

    return make, make_changes


def prepare_adaptation(_images):
    """Return two functions: one builds an AdaptationExplorer, one lists changes of it; all pairs are solved first."""
    import tlkit as tl

    domains, methods = ["photo", "sketch", "clipart"], ["align_mean", "coral"]
    images = tl.load_images("styles", domain=domains).select(role="core")
    features = tl.extract_features(tl.load_backbone(image_size_px=64), images, progress=False)

    def make_changes(explorer):
        changes = [lambda name=name: setattr(explorer, "method", name) for name in ("source_only", *methods)]
        for change in changes:
            change()
        return changes

    return lambda: tl.widgets.AdaptationExplorer(features, images, domains, methods), make_changes


def prepare_sources(_images):
    """Return two functions: one builds a SourceExplorer, one lists changes of it."""
    import tlkit as tl

    images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    features = tl.extract_features(tl.load_backbone(image_size_px=64), images, progress=False)
    settings = {"weights": [0.25, "pooled"], "shots": [1, 5], "seeds": 5, "progress": False}
    tables = tl.adaptation.compare_target_shots(features, images, "sketch", "photo", **settings)

    def make_changes(explorer):
        return [lambda number=number: setattr(explorer, "shots", number) for number in (5, 1)]

    return lambda: tl.widgets.SourceExplorer(*tables), make_changes


def prepare_heat_maps(images):
    """Return two functions: one builds a HeatMapExplorer, one lists changes of it."""
    import tlkit as tl

    train, test = images.split(test_fold=0)
    run = tl.transfer(tl.load_backbone(image_size_px=64), train.few(2), "linear_probe", progress=False)
    study = tl.inspection.study_heat_maps(run, test[:4], depths=["head", "stage4", "stem"])

    def make_changes(explorer):
        return [lambda place=place: setattr(explorer, "picture", place) for place in range(4)]

    return lambda: tl.widgets.HeatMapExplorer(study), make_changes


def prepare_augmentation(images):
    """Return two functions: one builds an AugmentationExplorer, one lists changes of it."""
    import tlkit as tl

    warnings.filterwarnings("ignore", category=UserWarning, module="tlkit")
    backbone = tl.load_backbone(image_size_px=64)
    probe, policies = tl.Strategy([tl.Phase(["head"], 2, 1e-2)], name="head"), (None, "flip", "crop", "mixup")
    arms = [tl.strategies.augmented(probe, policy) for policy in policies]
    compared = tl.compare(backbone, images, arms, 1, 2, progress=False)

    def make_changes(explorer):
        return [lambda number=number: setattr(explorer, "draw", number) for number in range(5)]

    return lambda: tl.widgets.AugmentationExplorer(backbone, images, compared), make_changes


if __name__ == "__main__":
    main()
