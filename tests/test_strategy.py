"""Phases and strategies: what can be described, and what a description means for a network."""

import dataclasses
import json

import pytest

from tlkit.backbones.loading import load_backbone
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Phase, Strategy


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


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
        ({"n_epochs": 1.0}, "n_epochs: 1.0, expected a whole number"),
        ({"n_epochs": None}, "n_epochs: None solves the head"),
        ({"train": ["head"], "n_epochs": None, "augment": "flip"}, "knows no augment"),
        ({"learning_rate": 0}, "learning_rate: 0 for 'all', expected a number above 0"),
        ({"learning_rate": float("inf")}, "learning_rate: inf"),
        ({"learning_rate": None}, "learning_rate: None"),
        ({"learning_rate": {"head": 1e-3}}, r"learning_rate: has \['head'\], expected the keys of train"),
        ({"augment": "flop"}, "augment: 'flop'.*nearest: 'flip'"),
        ({"norm_statistics": "moved"}, "norm_statistics: 'moved', expected one of frozen, moving"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Phase(**({"train": ["all"], "n_epochs": 1, "learning_rate": 1e-3} | changes))


def test_a_strategy_needs_phases():
    with pytest.raises(ValueError, match="expected a list of at least one Phase"):
        Strategy([])
    with pytest.raises(TypeError, match="'head', expected a Phase"):
        Strategy(["head"])


def test_a_strategy_says_whether_it_tunes_more_than_the_head(backbone):
    tunes = {name: catalogue.get(name).tunes(backbone) for name in catalogue.names()}
    assert tunes == {"from_scratch": True, "linear_probe": False, "fine_tune": True, "lp_ft": True}


def test_every_known_strategy_is_described_in_json_and_has_a_paper(backbone):
    for name in catalogue.names():
        known = catalogue.find(name)
        described = json.loads(json.dumps(known.strategy.describe()))
        assert described["name"] == name
        assert len(described["phases"]) == len(known.strategy.phases)
        assert known.paper and known.expect
    assert catalogue.get("from_scratch").describe()["prepare"] == "reinitialise"


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
