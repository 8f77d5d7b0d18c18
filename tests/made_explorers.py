"""Each explorer of a choice on small made data, for tests of everything that they have in common."""

import dataclasses
import functools

import numpy as np
from made_ablations import make_ablation
from made_claims import CHOICES, make_claim
from made_comparisons import make_comparison
from made_cuts import make_cut_table
from made_features import make_features
from made_heat import make_random_run
from made_networks import make_batch, make_tiny_backbone
from made_pictures import make_picture
from made_studies import make_study
from made_trained_shares import make_trained_shares
from made_worths import CHANGES, make_worths

import tlkit as tl
from tlkit.backbones.freezing.measurement import measure_freezing
from tlkit.plots import (
    adaptation,
    augmentation,
    comparison,
    cuts,
    freezing,
    heat_maps,
    source_worth,
    trained_share,
)
from tlkit.widgets import (
    AdaptationExplorer,
    AugmentationExplorer,
    ClaimExplorer,
    ComparisonExplorer,
    CutExplorer,
    FreezingExplorer,
    HeatMapExplorer,
    SourceExplorer,
    TrainedShareExplorer,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """An explorer, and what is expected of it.

    Arguments
    ---------
    make: callable
        Returns the explorer; keyword arguments are handed to it.
    first: dict
        The choice that it begins with.
    moves: list of (trait, value, sentence)
        Changes to make one after the other, and how the sentence begins after each.
    refused: list of (trait, value, message)
        Values that aren't there, and a pattern of the error.
    text: str
        Its repr.
    size_inches: (float, float)
    takes_choice: bool
        Whether the choice to begin with can be given.
    """

    make: object
    first: dict
    moves: list
    refused: list
    text: str
    size_inches: tuple
    takes_choice: bool = True


@functools.cache
def _load(domain):
    return tl.load_images("styles", domain=domain)


@functools.cache
def _make_comparison_data():
    images = _load("clipart").select(classes=["bird", "bug", "tool"])[::5]
    return make_comparison(images), images


@functools.cache
def _make_costs():
    return measure_freezing(make_tiny_backbone(), make_batch(), 5, n_rounds=1, progress=False)


@functools.cache
def _make_study():
    images, features = make_study(("here", "there", "yonder"))
    return features, images


@functools.cache
def _make_ablation_data():
    images = _load("clipart").select(classes=["bird", "bug", "tool"])
    return make_tiny_backbone(), images.few(4)[::2], make_ablation(_load("clipart"))


@functools.cache
def _make_cut_data():
    images = _load("sketch")[:12]
    made = {cut: make_features(n_pictures=12, seed=seed) for cut, seed in (("early", 0), ("late", 1))}
    own = {"names": images.names, "groups": np.array([f"g{index // 2}" for index in range(12)])}
    features = {cut: dataclasses.replace(part, labels=made["early"].labels, **own) for cut, part in made.items()}
    return features, make_cut_table(), images


@functools.cache
def _make_worths():
    return make_worths(CHANGES)


@functools.cache
def _make_heat_study():
    return tl.inspection.study_heat_maps(
        make_random_run(), [make_picture(number, (20, 18)) for number in range(3)], progress=False
    )


CASES = {
    "ClaimExplorer": Case(
        lambda: ClaimExplorer(make_claim()),
        {name: tuple(levels) for name, levels in CHOICES.items()},
        [
            ("domain", ("sketch",), "Tuning everything harms. This holds in 5 of 6 of the replications left (83%)"),
            ("first_seed", (5,), "Tuning everything harms. This holds in 2 of 3 of the replications left (67%)"),
            ("image_size_px", (96, 128), "Tuning everything harms. This holds in 2 of 2 of the replications left"),
        ],
        [
            ("domain", ("photo",), "^domain: 'photo' is unknown; known: 'clipart', 'sketch'$"),
            ("image_size_px", (97, 96), "^image_size_px: 97 is not there; there are 96, 128, 160$"),
            ("first_seed", (), "^first_seed: no level is left, expected at least one of 0, 5$"),
        ],
        "ClaimExplorer(made: 3 choices, 12 replications)",
        (9.2, 4.71),
        takes_choice=False,
    ),
    "ComparisonExplorer": Case(
        lambda **choice: ComparisonExplorer(*_make_comparison_data(), **choice),
        {"strategy": "linear_probe", "shots": 5},
        [
            ("shots", 20, "linear probe, 20 training pictures"),
            ("strategy", "random_features", "random features, 20 training pictures"),
            ("shots", 1, "random features, 1 training picture"),
        ],
        [
            ("shots", 7, "shots: 7 .*; there are 1, 5, 20"),
            ("strategy", "linear_prob", "'linear_probe'"),
        ],
        "ComparisonExplorer(2 strategies × 3 shots, 28 pictures)",
        comparison.SIZE_INCHES,
    ),
    "FreezingExplorer": Case(
        lambda **choice: FreezingExplorer(_make_costs(), **choice),
        {"frozen": ("stem", "stage1"), "norm": "frozen"},
        [("frozen", ("stem",), "269 of 389 parameters"), ("norm", "trainable", "277 of 389 parameters")],
        [
            ("frozen", ("stage7",), "frozen: 'stage7' is unknown"),
            ("frozen", (3,), "frozen: 3 is a int"),
            ("norm", "thawed", "norm: 'thawed' is unknown"),
        ],
        "FreezingExplorer(tiny, 2 stages × 3 norm modes)",
        freezing.SIZE_INCHES,
    ),
    "AdaptationExplorer": Case(
        lambda **methods: AdaptationExplorer(*_make_study(), **{"methods": ["align_mean", "coral"]} | methods),
        {"source": "here", "target": "there", "method": "coral"},
        [
            ("target", "yonder", "here → yonder, coral"),
            ("source", "there", "there → yonder, coral"),
            ("method", "align_mean", "there → yonder, align mean"),
            ("method", "source_only", "there → yonder, source only"),
        ],
        [
            ("source", "her", "^source: 'her' is unknown"),
            ("target", "ther", "^target: 'ther' is unknown"),
            ("method", "corral", "^method: 'corral' is unknown"),
        ],
        "AdaptationExplorer(3 domains × 3 methods, 180 pictures)",
        adaptation.SIZE_INCHES,
        takes_choice=False,
    ),
    "AugmentationExplorer": Case(
        lambda **settings: AugmentationExplorer(*_make_ablation_data(), **settings),
        {"policy": "invert", "draw": 0},
        [
            ("policy", "crop + cutmix", "last 2 stages + crop + cutmix, 5 training pictures"),
            ("draw", 3, "last 2 stages + crop + cutmix, 5 training pictures"),
            ("policy", "none", "last 2 stages + none, 5 training pictures"),
        ],
        [
            ("policy", "flop", "policy: 'flop' is unknown; nearest: 'flip'"),
            ("draw", 10, "^draw: 10 is not there; there are 0, 1, "),
            ("draw", -1, "^draw: -1 is not there"),
        ],
        "AugmentationExplorer(4 policies × 10 draws, 6 pictures)",
        augmentation.SIZE_INCHES,
        takes_choice=False,
    ),
    "CutExplorer": Case(
        lambda **choice: CutExplorer(*_make_cut_data(), **choice),
        {"cut": "early", "head": "logistic", "picture": 0},
        [
            ("cut", "late", "logistic at cut late: accuracy 0.50"),
            ("picture", 4, "logistic at cut late: accuracy 0.50"),
            ("head", "conv", "conv at cut late: not measured"),
        ],
        [
            ("cut", "latest", "^cut: 'latest' is unknown; nearest: 'late'"),
            ("head", "con", "^head: 'con' is unknown; nearest: 'conv'"),
            ("picture", 12, "^picture: 12 is not there; there are 0, 1, "),
            ("picture", -1, "^picture: -1 is not there"),
        ],
        "CutExplorer(2 cuts × 3 heads, 12 pictures)",
        cuts.SIZE_INCHES,
    ),
    "HeatMapExplorer": Case(
        lambda **choice: HeatMapExplorer(_make_heat_study(), **choice),
        {"picture": 0, "depth": "head", "method": "Grad-CAM"},
        [
            ("picture", 2, "Grad-CAM, picture 2,"),
            ("depth", "stem", "Grad-CAM, picture 2,"),
            ("method", "integrated gradients", "integrated gradients, picture 2,"),
            ("depth", "trained", "integrated gradients, picture 2,"),
        ],
        [
            ("picture", 3, "picture: 3 is not there; there are 0, 1, 2"),
            ("depth", "steam", "depth: 'steam' is unknown; nearest: 'stem'"),
            ("method", "CAM", "method: "),
        ],
        "HeatMapExplorer(3 pictures × 4 depths × 2 methods)",
        heat_maps.SIZE_INCHES,
    ),
    "SourceExplorer": Case(
        lambda: SourceExplorer(*_make_worths()),
        {"source": "far", "weight": "pooled", "shots": 1},
        [
            ("weight", 0.25, "far at 0.25 times the weight of 1 shot"),
            ("shots", 5, "far at 0.25 times the weight of 5 shots"),
            ("source", "near", "near at 0.25 times the weight of 5 shots"),
        ],
        [
            ("source", "fa", "source: 'fa' is unknown; nearest: 'far'"),
            ("weight", 0.5, "weight: 0.5 is not there; there are 0.25, pooled"),
            ("shots", 2, "shots: 2 is not there; there are 1, 5"),
        ],
        "SourceExplorer(2 sources × 2 weights × 2 numbers of shots, 5 seeds)",
        source_worth.SIZE_INCHES,
        takes_choice=False,
    ),
    "TrainedShareExplorer": Case(
        lambda **choice: TrainedShareExplorer(make_trained_shares(), scores=("accuracy", "outside"), **choice),
        {"strategy": "linear_probe", "cost": "trained_share", "score": "accuracy"},
        [
            ("strategy", "lp_ft", "lp ft trains"),
            ("cost", "memory_mib", "lp ft"),
            ("score", "outside", "lp ft"),
            ("strategy", "l2_sp", "l2 sp"),
        ],
        [
            ("strategy", "loar", "^strategy: 'loar' is unknown"),
            ("cost", "memory", "^cost: 'memory' is unknown"),
            ("score", "inside", "^score: 'inside' is unknown"),
        ],
        "TrainedShareExplorer(4 strategies × 3 costs × 2 scores)",
        trained_share.SIZE_INCHES,
    ),
}
