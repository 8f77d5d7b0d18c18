"""The known ways to adapt: found by name, described, each training what it says; and `adapt`, which runs them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.adaptation import methods
from tlkit.adaptation.adapt import adapt, share_classes
from tlkit.strategies.strategy import needs_target


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain=["clipart", "photo"])


@pytest.fixture(scope="module")
def source(images):
    return images.select(domain="clipart", classes=["bird", "bug", "tool"]).few(4)


@pytest.fixture(scope="module")
def target(images):
    return images.select(domain="photo", classes=["bird", "bug", "tool"]).few(3)


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


def shorten(name):
    strategy = methods.get(name)
    phases = [dataclasses.replace(phase, n_epochs=phase.n_epochs and 1) for phase in strategy.phases]
    return dataclasses.replace(strategy, phases=phases)


def take_state(run):
    return copy_state(nn.ModuleDict({"backbone": run.backbone, "head": run.head}))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (number % 4 > 0)) for number, name in enumerate(methods.names())],
)
def test_a_method_trains_what_it_says_and_sees_the_target_where_it_needs_it(name, backbone, source, target):
    strategy = shorten(name)
    settings = {"batch_size": 6} if any(phase.n_epochs for phase in strategy.phases) else {}
    run = adapt(backbone, source, target, strategy, progress=False, **settings)
    trained = {stage for names in strategy.resolve(backbone) for stage in names if stage in backbone.stages}
    before, after = backbone.state_dict(), run.backbone.state_dict()
    assert {key.split(".")[1] for key in before if not torch.equal(before[key], after[key])} == trained
    assert ("target" in run.strategy) == bool(run.adapted_to) == (not name.startswith("source_only"))
    moves_statistics = any("running_" in key for key in run.changed)
    assert moves_statistics == (name == "adabn")
    # Whatever is trained lies behind a frozen prefix that is computed once.
    assert all(row["frozen_prefix"] for row in run.history)


@pytest.mark.parametrize("name", methods.names())
def test_every_method_is_described_in_json_and_has_a_paper(name):
    known = methods.find(name)
    assert json.loads(json.dumps(known.strategy.describe()))["name"] == name
    assert methods.get(name) is known.strategy and methods.get(known.strategy) is known.strategy
    assert len(known.paper) > 20 and len(known.expect) > 20
    assert needs_target(known.strategy) == (not name.startswith("source_only"))


def test_an_unknown_method_is_answered_with_the_nearest(backbone, source, target):
    with pytest.raises(ValueError, match=r"method: 'dan n', expected a Strategy or the name of one; nearest: 'dann'"):
        adapt(backbone, source, target, "dan n")
    with pytest.raises(ValueError, match="method: 3, expected a Strategy"):
        methods.find(3)


def test_all_methods_are_tuned_for_the_same_number_of_epochs():
    tuned = {}
    for name in methods.names():
        epochs = [phase.n_epochs for phase in methods.get(name).phases if phase.n_epochs]
        tuned.setdefault(sum(epochs), []).append(name)
    tuned.pop(0, None)
    assert list(tuned) == [methods.N_EPOCHS]


def test_adapt_is_a_transfer_with_a_target(source, target):
    strategy = tl.Strategy([shorten("dann").phases[-1]], name="dann alone")
    phase = dataclasses.replace(strategy.phases[0], train=("head",), learning_rate=1e-2)
    strategy = dataclasses.replace(strategy, phases=[phase])
    backbone, settings = make_tiny_backbone(), {"batch_size": 6, "progress": False, "weight_decay": 0.5}
    run = adapt(backbone, source, target, strategy, seed=3, **settings)
    classes = ["bird", "bug", "tool"]
    pictures = [part.with_classes(classes) for part in (source, target)]
    settings["balance"] = "weights"  # by default each class counts the same
    again = tl.transfer(backbone, pictures[0], strategy, target=pictures[1], seed=3, **settings)
    assert same_bits(take_state(run), take_state(again))
    assert run.strategy == again.strategy
    assert run.strategy["weight_decay"] == 0.5


def test_classes_are_those_of_which_both_have_pictures(images):
    source = images.select(domain="clipart", classes=["bird", "bug", "tool"]).few(2)
    target = (
        images.select(domain="photo", classes=["bug", "fruit", "tool"]).few(3).with_classes(["tool", "fruit", "bug"])
    )
    shared = share_classes(source, target)
    assert [part.classes for part in shared] == [["bug", "tool"]] * 2
    assert [len(part) for part in shared] == [4, 6]
    for part, whole in zip(shared, (source, target), strict=True):
        named = dict(zip(whole.names, np.array(whole.classes)[whole.labels], strict=True))
        assert [named[name] for name in part.names] == [part.classes[label] for label in part.labels]


def test_fewer_than_two_classes_in_common_are_refused(images):
    source = images.select(domain="clipart", classes=["bird", "bug"])
    target = images.select(domain="photo", classes=["bird", "tool"])
    message = r"target: shares 1 classes with the source, .*; the source has bird, bug, the target bird, tool"
    with pytest.raises(ValueError, match=message):
        share_classes(source, target)
    with pytest.raises(ValueError, match="the target none"):
        share_classes(source, target[:0])
    with pytest.raises(TypeError, match="source: a str, expected an ImageSet"):
        share_classes("clipart", target)
