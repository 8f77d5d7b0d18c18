"""Phases and strategies: what can be described, and what a description means for a network."""

import dataclasses
import json
import re

import pytest
import torch

import tlkit as tl
from tlkit.backbones.loader import load_backbone
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Phase, Strategy, adjust_phases, changes_backbone


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(3)


def test_stages_named_from_the_end_resolve_to_names_in_forward_order(backbone):
    strategy = Strategy([Phase(["head", -1, -3, "stem"], 1, 1e-3)])
    assert strategy.resolve(backbone) == [["stem", "stage4", "fc", "head"]]


def test_all_is_every_stage_and_the_head(backbone):
    assert Strategy([Phase(["all"], 1, 1e-3)]).resolve(backbone) == [[*backbone.stages, "head"]]


def test_norm_and_bias_are_kept_as_kinds(backbone):
    assert Strategy([Phase(["bias", "norm", "head"], 1, 1e-3)]).resolve(backbone) == [["head", "norm", "bias"]]


def test_an_unknown_stage_is_answered_with_the_nearest(backbone):
    with pytest.raises(ValueError, match=r"stage44.*nearest: 'stage4'"):
        Strategy([Phase(["stage44"], 1, 1e-3)]).resolve(backbone)
    with pytest.raises(ValueError, match="-9 is not a stage of mobilenet_v3_small, nor -1 to -7"):
        Strategy([Phase([-9], 1, 1e-3)]).resolve(backbone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "train: empty"),
        ({"train": [0]}, "train: 0, expected"),
        ({"train": [True]}, "train: True, expected"),
        ({"train": [1.5]}, "train: 1.5, expected"),
        ({"n_epochs": 0}, "n_epochs: 0, expected a whole number"),
        ({"n_epochs": None}, "n_epochs: None solves the head"),
        ({"train": ["head"], "n_epochs": None, "augment": "flip"}, "takes no augment"),
        ({"train": ["head"], "n_epochs": None, "objective": max}, "objective: .*max.* has no `solve`, which n_epochs"),
        ({"objective": "dann"}, "objective: 'dann' can't be called in a training step"),
        ({"learning_rate": 0}, r"learning_rate\['all'\]: 0, expected a number above 0"),
        ({"learning_rate": float("inf")}, r"learning_rate\['all'\]: inf"),
        ({"learning_rate": {"head": 1e-3}}, r"learning_rate: has \['head'\], expected the keys of train"),
        ({"augment": "flop"}, "augment: 'flop'.*nearest: 'flip'"),
        ({"norm_statistics": "moved"}, "norm_statistics: 'moved' is unknown; .*known: 'frozen', 'moving'"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Phase(**({"train": ["all"], "n_epochs": 1, "learning_rate": 1e-3} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_epochs": 1.0}, "n_epochs: 1.0 is a float, expected a whole number"),
        ({"learning_rate": None}, r"learning_rate\['all'\]: None"),
    ],
)
def test_what_is_no_number_is_refused(changes, message):
    with pytest.raises(TypeError, match=message):
        Phase(**({"train": ["all"], "n_epochs": 1, "learning_rate": 1e-3} | changes))


def test_a_strategy_needs_phases():
    with pytest.raises(ValueError, match="expected a list of at least one Phase"):
        Strategy([])
    assert changes_backbone(Strategy([], finish=print), None)
    with pytest.raises(TypeError, match="'head', expected a Phase"):
        Strategy(["head"])


def test_a_strategy_says_whether_it_tunes_more_than_the_head(backbone):
    assert [name for name in catalogue.names() if not changes_backbone(catalogue.get(name), backbone)] == [
        "linear_probe"
    ]


STAGES = ("stem", "stage1", "stage2", "stage3", "stage4", "conv_head", "fc")
# By strategy: the stages that it moves, and a pattern for the ends of names that it moves in them.
MOVES = {
    "from_scratch": (STAGES, r".*"),
    "linear_probe": ((), r""),
    "fine_tune": (STAGES, r"\.(weight|bias)"),
    "last_2_stages": (("conv_head", "fc"), r"\.(weight|bias)"),
    "gradual": (STAGES, r"\.(weight|bias)"),
    "discriminative": (STAGES, r"\.(weight|bias)"),
    "layer_decay": (STAGES, r"\.(weight|bias)"),
    "lp_ft": (STAGES, r"\.(weight|bias)"),
    "l2_sp": (STAGES, r"\.(weight|bias)"),
    "bitfit": (STAGES, r"\.bias"),
    "norm_only": (STAGES[:-1], r"\.1\.(weight|bias)"),  # the last stage has no norm layer
    "surgical_first": (("stem", "stage1"), r"\.(weight|bias)"),
    "surgical_middle": (("stage2", "stage3", "stage4"), r"\.(weight|bias)"),
    "surgical_last": (("conv_head", "fc"), r"\.(weight|bias)"),
    "wise_ft": (STAGES, r"\.(weight|bias)"),
    "by_size": (STAGES, r"\.(weight|bias)"),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_known_strategy_moves_what_it_says_and_nothing_else(backbone, images, name):
    strategy = adjust_phases(catalogue.get(name), backbone, len(images))
    short = [dataclasses.replace(phase, n_epochs=phase.n_epochs and 1) for phase in strategy.phases]
    run = tl.transfer(backbone, images, dataclasses.replace(strategy, phases=short), seed=1, progress=False)
    before, after = backbone.state_dict(), run.backbone.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    stages, ends = MOVES[name]
    expected = {key for key in before if key.split(".")[1] in stages and re.search(f"{ends}$", key)}
    assert not moved - expected
    # Of a vector, such as a norm layer's, the gradient may be too small for one step to show.
    assert not [key for key in expected - moved if before[key].ndim > 1]
    assert {key.split(".")[1] for key in moved} == set(stages)
    assert run.n_steps == sum(phase.n_epochs or 0 for phase in short)


def test_every_known_strategy_is_tried_here():
    assert list(MOVES) == [name for name in catalogue.names() if "adapter" not in str(catalogue.get(name).describe())]


@pytest.mark.parametrize("n_train", [14, 140, 510])
def test_no_known_strategy_takes_many_more_steps_than_fine_tuning(backbone, n_train):
    n_epochs = {
        name: sum(phase.n_epochs or 0 for phase in adjust_phases(catalogue.get(name), backbone, n_train).phases)
        for name in catalogue.names()
    }
    assert n_epochs.pop("from_scratch") == 5 * n_epochs["fine_tune"]
    assert n_epochs.pop("linear_probe") == 0
    assert n_epochs.pop("gradual") == n_epochs["fine_tune"] + 3
    assert n_epochs.pop("by_size") == {14: 12, 140: 12, 510: 8}[n_train]
    assert set(n_epochs.values()) == {6}


def test_every_known_strategy_is_described_in_json_and_has_a_paper(backbone):
    for name in catalogue.names():
        known = catalogue.find(name)
        described = json.loads(json.dumps(known.strategy.describe()))
        assert described["name"] == name
        assert len(described["phases"]) == len(known.strategy.phases)
        json.dumps(adjust_phases(known.strategy, backbone, 50).describe())
        assert re.search(r"(19|20)\d\d", known.paper)
        assert known.expect.count(" ") > 5 and not known.expect.endswith(".")
        assert re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", name)
    assert catalogue.get("from_scratch").describe()["prepare"] == "reinitialise"
    assert catalogue.get("wise_ft").describe()["finish"] == {
        "function": "interpolate_with_parent",
        "mixing_coefficient": 0.5,
    }
    assert catalogue.get("surgical_last").describe()["adjust"] == {"function": "tune_block", "block": "last"}
    assert catalogue.get("l2_sp").describe()["phases"][0]["penalty"]["function"] == "l2_sp"


def test_from_scratch_has_five_times_the_epochs_of_tuning():
    scratch, tuned = (catalogue.get(name).phases[-1] for name in ("from_scratch", "fine_tune"))
    assert scratch.n_epochs == 5 * tuned.n_epochs
    assert scratch.augment is not None
    assert scratch.norm_statistics == "moving"


def test_an_unknown_strategy_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"'linear_prob'.*nearest: 'linear_probe'"):
        catalogue.get("linear_prob")


def test_a_strategy_of_ones_own_is_taken_as_it_is():
    own = Strategy([Phase(["head"], None)], name="mine")
    assert catalogue.get(own) is own
    assert dataclasses.replace(own, name="other").phases == own.phases
