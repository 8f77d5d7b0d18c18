"""VGG, ResNet, Inception and DenseNet with random weights, EfficientNet-Lite with its own: frozen, probed and tuned.

They see eight small pictures: what counts is what moves, and what does not. GoogLeNet is the first Inception.
"""

import math

import pytest
import torch
from made_networks import make_batch

import tlkit as tl

# Name, size in px, the last stage that is frozen in the test of freezing a part.
FAMILIES = [
    ("vgg11", 32, "fc6"),
    ("resnet18", 32, "stage3"),
    ("googlenet", 32, "inception4d"),
    ("densenet121", 32, "stage3"),
]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(4)


@pytest.fixture(scope="module", params=FAMILIES, ids=[name for name, *_ in FAMILIES])
def case(request):
    """A backbone, and the last of its stages that are frozen."""
    name, size_px, last_frozen = request.param
    return tl.load_backbone(name, weights=None, image_size_px=size_px), last_frozen


def changed_stages(before, state):
    names = [name for name in before if not torch.equal(before[name], state[name])]
    return {name.split(".")[1] for name in names}


def transfer(backbone, images, phase):
    return tl.transfer(backbone, images, tl.Strategy([phase]), batch_size=4, progress=False)


def test_a_part_is_frozen_and_the_audit_agrees(case):
    backbone, last_frozen = case
    n_frozen = backbone.stages.index(last_frozen) + 1
    audit = tl.audit_freezing(tl.freeze(backbone, up_to=last_frozen), make_batch(2, backbone.image_size_px))
    assert audit.ok.all(), audit[~audit.ok].to_string()
    frozen = audit.stage.isin(backbone.stages[:n_frozen])
    assert set(audit[frozen].claimed) == {"frozen"}
    assert set(audit[frozen]["mode"]) == {"eval"}
    assert set(audit[~frozen].claimed) == {"trainable"}
    assert audit[~frozen].parameters_moved.sum() > 0


def test_a_linear_probe_changes_no_bit_of_it(case, images):
    backbone, _ = case
    run = transfer(backbone, images, tl.Phase(["head"], 1, 1e-2))  # step by step, in training mode
    assert changed_stages(backbone.state_dict(), run.backbone.state_dict()) == set()
    assert run.n_steps == 2


def test_a_tuned_part_leaves_the_frozen_one_as_it_was(case, images):
    backbone, last_frozen = case
    trained = backbone.stages[backbone.stages.index(last_frozen) + 1 :]
    rates = tl.strategies.decay_learning_rates(trained, 1e-3)
    run = transfer(backbone, images, tl.Phase(list(rates), 1, rates))
    assert changed_stages(backbone.state_dict(), run.backbone.state_dict()) == set(trained)
    assert math.isfinite(run.history[-1]["loss"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:images. 8 of 8 pictures were trained on")
def test_efficientnet_lite_with_its_own_weights_is_probed_and_tuned(images):
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    probed = transfer(backbone, images, tl.Phase(["head"], 6, 1e-2))
    assert changed_stages(backbone.state_dict(), probed.backbone.state_dict()) == set()
    assert probed.history[-1]["loss"] < probed.history[0]["loss"]
    tuned = transfer(backbone, images, tl.Phase(["stage7", "conv_head", "head"], 6, 1e-3))
    assert changed_stages(backbone.state_dict(), tuned.backbone.state_dict()) == {"stage7", "conv_head"}
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]
    assert tuned.evaluate(images).accuracy == 1
    audit = tl.audit_freezing(tl.freeze(backbone, up_to="stage6"), make_batch(2, 64))
    assert audit.ok.all()
