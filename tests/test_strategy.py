"""Phases and strategies: what can be described, and what a description means for a network."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from made_networks import TINY_RECIPE
from torch import nn

import tlkit as tl
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.freezing.costs import FreezingChoice, summarise_freezing
from tlkit.backbones.freezing.measurement import measure_freezing
from tlkit.backbones.loader import load_backbone
from tlkit.inspection.random_weights import list_depths, randomize
from tlkit.names import KEYWORDS, spell_stage
from tlkit.strategies import catalogue
from tlkit.strategies.phase_schedules import decay_learning_rates
from tlkit.strategies.strategy import Phase, Strategy, adjust_phases, changes_backbone
from tlkit.summaries.freeze_score import make_score, make_strategy
from tlkit.summaries.freeze_score_trials import list_paintable
from tlkit.training.optimizer import apply_phase


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


SOLVED = {"train": ["head"], "n_epochs": None, "learning_rate": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "train: empty"),
        ({"train": [0]}, "train: 0, expected"),
        ({"train": [True]}, "train: True, expected"),
        ({"train": [1.5]}, "train: 1.5, expected"),
        ({"n_epochs": 0}, "n_epochs: 0, expected a whole number"),
        ({"n_epochs": None}, "n_epochs: None solves the head"),
        (SOLVED | {"augment": "flip"}, "augment: 'flip', but n_epochs=None solves the head"),
        (SOLVED | {"learning_rate": 1e-3}, "learning_rate: 0.001, but n_epochs=None solves the head"),
        (SOLVED | {"norm_statistics": "moving"}, "norm_statistics: 'moving', but n_epochs=None solves the head"),
        (SOLVED | {"objective": max}, "objective: .*max.* has no `solve`, which n_epochs"),
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
QUICK = ("linear_probe", "fine_tune", "norm_only", "surgical_middle")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in MOVES])
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


def make_misnamed_backbone():
    """Return a backbone whose stages are called like the keywords of a phase; each has a convolution and a norm."""
    torch.manual_seed(0)
    stages = {
        name: nn.Sequential(nn.Conv2d(4 if number else 3, 4, 3, padding=1), nn.BatchNorm2d(4))
        for number, name in enumerate(KEYWORDS)
    }
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    return Backbone("misnamed", stages, tail, TINY_RECIPE, {"source": "random weights"}).eval()


def list_trained(backbone, key):
    """Return the names of the backbone's parameters that a phase with one key trains."""
    apply_phase(backbone, nn.Linear(backbone.n_features, 2), Phase([key], 1, 1e-3))
    return {name for name, value in backbone.named_parameters() if value.requires_grad}


def check_namespaces(backbone):
    """Fail if a number, or a name that is no keyword, trains anything else than all of its one stage."""
    for number, stage in enumerate(backbone.stages):
        own = {f"body.{stage}.{name}" for name, _ in backbone.body[stage].named_parameters()}
        for key in (number - len(backbone.stages), spell_stage(stage)):
            assert list_trained(backbone, key) == own, key
            assert Strategy([Phase([key], 1, 1e-3)]).resolve(backbone) == [[spell_stage(stage)]]
        for name in (stage, f"stage:{stage}", np.int64(number - len(backbone.stages))):
            assert backbone.find_stage(name) == number
            assert len(backbone.until(name)) == number + 1
            tl.freeze(backbone, up_to=name)


def test_stages_called_like_keywords_are_stages_by_number_and_keywords_by_name():
    backbone = make_misnamed_backbone()
    check_namespaces(backbone)
    assert list_trained(backbone, "norm") == {
        f"body.{stage}.1.{kind}" for stage in KEYWORDS for kind in ("weight", "bias")
    }
    assert list_trained(backbone, "bias") == {f"body.{stage}.{part}.bias" for stage in KEYWORDS for part in (0, 1)}
    assert list_trained(backbone, "head") == list_trained(backbone, "adapter") == set()
    assert len(list_trained(backbone, "all")) == 20
    assert Phase([np.int64(-1)], 1, 1e-3) == Phase([-1], 1, 1e-3)


@pytest.mark.parametrize("name", catalogue.names())
def test_known_strategies_train_stages_called_like_keywords_as_any_others(name):
    """In a network with the same stages under plain names, the same parameters train at the same rates."""
    misnamed = make_misnamed_backbone()
    plain = Backbone("plain", {f"s{n}": misnamed.body[n] for n in KEYWORDS}, misnamed.tail, TINY_RECIPE, {"source": ""})
    read = make_strategy(make_score(catalogue.get(name), misnamed, 40))
    for strategy in (catalogue.get(name), read):
        assert make_score(strategy, misnamed, 40).rates == make_score(catalogue.get(name), plain, 40).rates
        phases = adjust_phases(strategy, misnamed, 40).phases
        for phase, wanted in zip(phases, adjust_phases(catalogue.get(name), plain, 40).phases, strict=True):
            if phase.n_epochs is not None:
                found = [
                    {(rate, id(value)) for rate, values in apply_phase(backbone, head, one) for value in values}
                    for head in [nn.Linear(4, 2)]
                    for backbone, one in ((misnamed, phase), (plain, wanted))
                ]
                assert found[0] == found[1]
    assert sorted(list_paintable(misnamed, 40)) == sorted(list_paintable(plain, 40))


def test_costs_depths_and_rates_know_a_stage_called_like_a_keyword(images, monkeypatch):
    backbone = make_misnamed_backbone()
    stages = tuple(map(spell_stage, KEYWORDS))
    assert stages == ("stage:all", "stage:head", "stage:norm", "stage:bias", "stage:adapter")
    costs = measure_freezing(backbone, torch.rand(2, 3, 16, 16), 2, n_rounds=1)
    assert costs.stages == stages
    assert (
        costs.parameters_bytes["stage:head"] == costs.parameters_bytes["stage:norm"] != costs.parameters_bytes["head"]
    )
    assert summarise_freezing(costs, FreezingChoice(stages)).n_trainable == 2 * (4 + 1)
    monkeypatch.setattr(
        "tlkit.features.extract.choose_engine", lambda engine, network=None: "torch"
    )  # conversion takes long
    run = tl.transfer(backbone, images, "linear_probe", progress=False)
    assert list_depths(run.backbone) == ["trained", "head", *reversed(stages)]
    random = randomize(run, "stage:norm").backbone
    values = dict(run.backbone.named_parameters())
    changed = {name.split(".")[1] for name, value in random.named_parameters() if not torch.equal(value, values[name])}
    assert changed == {"norm", "bias", "adapter"}
    assert list(decay_learning_rates(backbone, 1e-2)) == [*stages, "head"]
    with pytest.raises(ValueError, match="if a stage is called like that, write 'stage:head'"):
        decay_learning_rates(backbone.stages[1:], 1e-2)


@pytest.mark.parametrize("name", ["timm:test_convnext", "timm:test_vit3", "timm:resmlp_12_224"])
def test_the_last_stage_of_a_timm_network_is_no_keyword(name):
    backbone = load_backbone(name, weights=None)
    assert backbone.stages[-1] in ("norm", "head")
    check_namespaces(backbone)
