"""Adaptation between all pairs of four styles, on features or in the network. Prints accuracies and choices."""

import argparse
import time
from pathlib import Path

from machine import describe_machine, use_cores

DOMAINS = ("photo", "clipart", "emoji", "sketch")
# Candidates for the fixed method: the setting of each target is chosen by the pairs with another target.
SETTINGS = [
    (n_rounds, shrinkage, l2_penalty)
    for n_rounds in (0, 3)
    for shrinkage in (0.6, 0.8)
    for l2_penalty in (100.0, 300.0)
]
CHOSEN, CHOSEN_TUNED = "coral_self_training", "mcc_self_training"
# If the network is tuned, the size of the pictures was chosen in the same way.
SIZES_PX = (128, 160)


def main():
    """Compare the methods on all pairs of styles, or confirm the chosen one on domains that did not choose it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--image-size", type=int, help="height and width in pixels, by default the network's own")
    parser.add_argument("--networks", action="store_true", help="also the method that tunes the network")
    parser.add_argument("--folds", type=int, default=3, help="folds of the source for validators with labels; or 0")
    parser.add_argument("--cores", type=int, help="use only so many processor cores (Linux)")
    parser.add_argument(
        "--output", type=Path, default=Path("adaptation"), help="folder of the tables, which are reused"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--choose", action="store_true", help="try the settings of the chosen method, or sizes")
    group.add_argument("--confirm", action="store_true", help="the chosen method on twemoji and on the novel classes")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    import tlkit as tl

    images = tl.load_images("styles")
    if arguments.networks and arguments.choose:
        choose_size(images[images.roles == "core"], arguments)
        return
    backbone = tl.load_backbone(arguments.network, image_size_px=arguments.image_size)
    size_px = backbone.image_size_px
    print(f"{describe_machine()}; {arguments.network} at {size_px} px, {arguments.seeds} seeds, tlkit {tl.__version__}")
    features = tl.extract_features(backbone, images)
    if arguments.confirm:
        to_twemoji = [(source, "twemoji") for source in DOMAINS]
        # There are too few photographs of the novel classes to halve them.
        novel = [(source, target) for source in DOMAINS[1:] for target in DOMAINS[1:] if source != target]
        for name, role, pairs in (("twemoji", "core", to_twemoji), ("novel", "novel", novel)):
            rows = images.roles == role
            if arguments.networks:
                settings = {"methods": [CHOSEN, CHOSEN_TUNED], "pairs": pairs, "n_folds": 0}
                show(compare(f"{name}-networks", backbone, images[rows], arguments, **settings))
            else:
                settings = {"methods": [CHOSEN], "pairs": pairs, "n_folds": 0}
                show(compare(name, features[rows], images[rows], arguments, **settings))
        return
    rows = images.roles == "core"
    if arguments.networks:
        settings = {"methods": [CHOSEN, CHOSEN_TUNED], "domains": DOMAINS, "n_folds": 0}
        show(compare("networks", backbone, images[rows], arguments, **settings))
        return
    images, features = images[rows], features[rows]
    compared = compare("core", features, images, arguments, domains=DOMAINS, n_folds=arguments.folds)
    show(compared)
    print(compared.regrets.round(3).to_string(index=False))
    if arguments.choose:
        settings = {name_setting(*setting): make_method(*setting) for setting in SETTINGS}
        compared = compare("settings", features, images, arguments, methods=settings, domains=DOMAINS, n_folds=0)
        show(compared)
        show_choice(compared.runs)


def choose_size(images, arguments):
    """Tune the network at each of SIZES_PX, and print the choice for each target."""
    import pandas as pd

    import tlkit as tl

    print(f"{describe_machine()}; {arguments.network}, {arguments.seeds} seeds, tlkit {tl.__version__}")
    runs = []
    for size_px in SIZES_PX:
        backbone = tl.load_backbone(arguments.network, image_size_px=size_px)
        settings = {"methods": [CHOSEN, CHOSEN_TUNED], "domains": DOMAINS, "n_folds": 0}
        tuned = compare("networks", backbone, images, arguments, **settings).runs
        tuned = tuned[tuned["method"] == CHOSEN_TUNED]
        runs.append(tuned.assign(method=f"{size_px} px"))
    runs = pd.concat(runs)
    print(runs.pivot_table(index=["source", "target"], columns="method", values="balanced_accuracy").round(3))
    show_choice(runs)


def make_method(n_rounds, shrinkage, l2_penalty):
    """Return the objective of one setting."""
    from tlkit.adaptation import Align

    settings = {"alignment_parameter": shrinkage, "std_offset": 0.3, "balance": True}
    return Align("coral", **settings, l2_penalty=l2_penalty, n_rounds=n_rounds)


def name_setting(n_rounds, shrinkage, l2_penalty):
    """Return the name of a setting in the tables."""
    return f"{n_rounds} rounds, {shrinkage:g}, {l2_penalty:g}"


def compare(name, backbone, images, arguments, **settings):
    """Return the `PairComparison`, seed by seed; results are kept in the output folder and reused."""
    import pandas as pd

    from tlkit.adaptation import PairComparison, compare_pairs

    arguments.output.mkdir(parents=True, exist_ok=True)
    if hasattr(backbone, "image_size_px"):  # another size of the pictures gives other results under the same name
        name = f"{name}-{backbone.image_size_px}px"
    runs, predictions, duration_s = [], [], 0.0
    for seed in range(arguments.seeds):
        files = [arguments.output / f"{name}-{seed}-{table}.csv" for table in ("predictions", "runs")]
        if not files[1].exists():  # written last
            start = time.perf_counter()
            compared = compare_pairs(backbone, images, seeds=[seed], **settings)
            duration_s += time.perf_counter() - start
            compared.predictions.to_csv(files[0], index=False)
            compared.runs.to_csv(files[1], index=False)
        predictions.append(pd.read_csv(files[0]))
        runs.append(pd.read_csv(files[1]))
    tables = pd.concat(runs, ignore_index=True), pd.concat(predictions, ignore_index=True)
    print(f"\n{name}: {tables[0]['duration_s'].sum():.0f} s of adapting; this call took {duration_s:.1f} s")
    return PairComparison(*tables, {"seeds": arguments.seeds})


def show(compared):
    """Print the table of methods and the table of pairs."""
    print(compared.table.round(3).to_string(index=False))
    print(compared.pairs.round(2).T.to_string())
    print(compared.runs.groupby("method", sort=False)["duration_s"].mean().round(3).to_string())


def show_choice(runs):
    """Print the score of each target with the setting that is best on the pairs with another target."""
    from tlkit.adaptation.pair_results import BASELINE, ORACLE

    tried = runs[~runs["method"].isin([BASELINE, ORACLE])]
    means = []
    for target in DOMAINS:
        here = tried["target"] == target
        best = tried[~here].groupby("method")["balanced_accuracy"].mean().idxmax()
        score = tried[here & (tried["method"] == best)]["balanced_accuracy"].mean()
        means.append(score)
        print(f"target {target}: {best!r} is best on the others, and has {score:.3f}")
    print(f"mean of targets, each with a setting chosen on the others: {sum(means) / len(means):.3f}")


if __name__ == "__main__":
    main()
