"""Phases that depend on the network or on the number of pictures, counted by hand."""

import functools
import itertools
from types import SimpleNamespace

import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.strategies import catalogue
from tlkit.strategies.phase_schedules import BLOCKS, decay_by_stage, set_length_by_size, tune_block, unfreeze_gradually
from tlkit.strategies.strategy import Phase, adjust_phases

HEAD = Phase(["head"], None)
ALL = Phase(["all"], 6, 2e-4)


def make_stages(n_stages):
    """Return a stand-in for a backbone with a number of stages."""
    return SimpleNamespace(name="made", stages=tuple(f"stage{block}" for block in range(n_stages)))


@pytest.fixture(scope="module")
def tiny():
    return make_tiny_backbone()  # stem, stage1


@pytest.fixture(scope="module")
def resnet():
    return tl.load_backbone("resnet18", weights=None, image_size_px=32)  # stem, stage1 to stage4


def test_decay_gives_each_stage_its_rate(tiny, resnet):
    head, phase = decay_by_stage([HEAD, Phase(["all"], 3, 8e-3)], tiny, 50, decay=0.5)
    assert head is HEAD
    assert phase.learning_rate == {"all": 8e-3, "stem": 2e-3, "stage1": 4e-3, "head": 8e-3}
    assert phase.n_epochs == 3
    (phase,) = decay_by_stage([Phase(["all"], 3, 3.2)], resnet, 50, decay=0.5)
    rates = {"stem": 0.1, "stage1": 0.2, "stage2": 0.4, "stage3": 0.8, "stage4": 1.6, "head": 3.2}
    assert phase.learning_rate == {"all": 3.2} | rates


def test_decay_leaves_narrower_keys_their_rates(tiny):
    rates = {"all": 8e-3, "head": 1e-2, "bias": 3e-3, "stem": 1e-5}
    (phase,) = decay_by_stage([Phase(list(rates), 1, rates)], tiny, 50, decay=0.5)
    assert phase.learning_rate == rates | {"stage1": 4e-3}


def test_stages_are_unfrozen_from_the_top(tiny, resnet):
    def seen(backbone, n_parts):
        return [
            (phase.n_epochs, *phase.train) for phase in unfreeze_gradually([HEAD, ALL], backbone, 50, n_parts=n_parts)
        ]

    assert seen(tiny, 4) == [(None, "head"), (1, "stage1", "head"), (6, "all")]
    assert seen(resnet, 4) == [
        (None, "head"),
        (1, "stage3", "stage4", "head"),
        (1, "stage2", "stage3", "stage4", "head"),
        (1, "stage1", "stage2", "stage3", "stage4", "head"),
        (6, "all"),
    ]
    assert seen(resnet, 2) == [(None, "head"), (1, "stage2", "stage3", "stage4", "head"), (6, "all")]
    assert seen(resnet, 1) == [(None, "head"), (6, "all")]


def test_unfreezing_takes_few_epochs_more_however_many_stages_there_are():
    for n_stages in range(1, 30):
        backbone = make_stages(n_stages)
        phases = unfreeze_gradually([ALL], backbone, 50, n_parts=4)
        assert sum(phase.n_epochs for phase in phases) == 6 + min(4, n_stages) - 1
        sizes = [0, *(len(phase.train) - 1 for phase in phases[:-1]), n_stages]
        grown = [later - earlier for earlier, later in itertools.pairwise(sizes)]
        assert min(grown) >= 1 and max(grown) - min(grown) <= 1
        assert all(phase.train[:-1] == backbone.stages[-len(phase.train) + 1 :] for phase in phases[:-1])


def test_a_block_is_a_third_of_the_stages(resnet):
    def stages(backbone, block):
        head, phase = tune_block([HEAD, ALL], backbone, 50, block=block)
        assert head is HEAD
        assert phase.learning_rate == dict.fromkeys(phase.train, 2e-4)
        assert phase.train[-1] == "head"
        return phase.train[:-1]

    assert stages(resnet, "first") == ("stem", "stage1")
    assert stages(resnet, "middle") == ("stage2",)
    assert stages(resnet, "last") == ("stage3", "stage4")
    for n_stages in range(3, 20):
        backbone = make_stages(n_stages)
        blocks = [stages(backbone, block) for block in BLOCKS]
        assert sum(blocks, ()) == backbone.stages
        sizes = [len(block) for block in blocks]
        assert max(sizes) - min(sizes) <= 1
        assert sizes == sizes[::-1]


def test_a_third_that_holds_no_stage_is_refused(tiny):
    with pytest.raises(ValueError, match="block: 'middle', but tiny has 2 stages and none in that third"):
        tune_block([ALL], tiny, 50, block="middle")
    with pytest.raises(ValueError, match="block: 'top' is unknown; known: 'first', 'last', 'middle'"):
        tune_block([ALL], tiny, 50, block="top")
    for n_parts, error in ((0, ValueError), (2.0, TypeError), (True, ValueError)):
        with pytest.raises(error, match=f"n_parts: {n_parts!r}.*, expected a whole number"):
            unfreeze_gradually([ALL], tiny, 50, n_parts=n_parts)


def test_the_length_follows_the_number_of_pictures():
    lengths = ((1, 12), (333, 12), (363, 12), (364, 11), (400, 10), (499, 9), (500, 8), (666, 7), (667, 6), (10_000, 6))
    for n_train, n_epochs in lengths:
        head, phase = set_length_by_size([HEAD, ALL], None, n_train)
        assert head is HEAD
        assert (phase.n_epochs, phase.train, phase.learning_rate) == (n_epochs, ("all",), {"all": 2e-4})


def test_what_else_a_phase_says_is_kept(resnet):
    def pull(backbone, start):
        return 0.0

    phase = Phase(["all"], 6, 2e-4, augment="flip", penalty=pull, norm_statistics="moving")
    for adjust in (
        functools.partial(decay_by_stage, decay=0.5),
        functools.partial(unfreeze_gradually, n_parts=4),
        functools.partial(tune_block, block="last"),
        set_length_by_size,
    ):
        for adjusted in adjust([phase], resnet, 50):
            assert (adjusted.augment, adjusted.penalty, adjusted.norm_statistics) == ("flip", pull, "moving")


def test_what_trains_along_with_the_whole_network_still_does(resnet):
    for name in ("gradual", "discriminative", "layer_decay", "by_size"):
        assert "all" in adjust_phases(catalogue.get(name), resnet, 50).phases[-1].train


def test_only_text_encoders_start_from_scratch_at_a_lower_rate(resnet):
    strategy = catalogue.get("from_scratch")
    (rates,) = [phase.learning_rate for phase in adjust_phases(strategy, resnet, 50).phases]
    assert rates == strategy.phases[0].learning_rate
    encoder = SimpleNamespace(recipe=SimpleNamespace(noun="text"))
    (lower,) = [phase.learning_rate for phase in adjust_phases(strategy, encoder, 50).phases]
    assert lower == {key: pytest.approx(rate / 30) for key, rate in rates.items()}
