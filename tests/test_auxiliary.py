"""Auxiliary classifiers: absent unless asked for, part of the loss of the whole network, and gone from the run."""

import copy

import pytest
import torch
import torchvision
from made_networks import make_batch, make_tiny_backbone
from made_training import make_training
from torch import nn

import tlkit as tl
from tlkit.backbones.auxiliary import AuxiliaryLoss, Branch


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(3)


def make_backbone_with_a_branch(weight=0.5):
    backbone = make_tiny_backbone()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        branch = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)
        )
    backbone.auxiliary = {"stem": Branch(branch.eval(), 5, weight)}
    return backbone


def transfer(backbone, images, *phases, **settings):
    return tl.transfer(backbone, images, tl.Strategy(list(phases)), progress=False, **settings)


@pytest.fixture(scope="module")
def googlenet():
    return tl.load_backbone("googlenet", weights=None, image_size_px=64, auxiliary=True)


def test_googlenet_keeps_its_branches_where_asked(googlenet):
    plain = tl.load_backbone("googlenet", weights=None, image_size_px=64)
    assert plain.auxiliary == {}
    assert {stage: (branch.n_features, branch.weight) for stage, branch in googlenet.auxiliary.items()} == {
        "inception4a": (1024, 0.3),
        "inception4d": (1024, 0.3),
    }
    assert plain.fingerprint() == googlenet.fingerprint()
    assert plain.state_dict().keys() == googlenet.state_dict().keys()
    batch = make_batch(2, 64)
    assert torch.equal(plain(batch), googlenet(batch))


def test_branches_compute_what_torchvision_computes(googlenet):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.googlenet(transform_input=True, aux_logits=True, init_weights=False)
    backbone = copy.deepcopy(googlenet)
    loss = AuxiliaryLoss(backbone, 1000, seed=0).train()
    for stage, name in (("inception4a", "aux1"), ("inception4d", "aux2")):
        loss.heads[stage].load_state_dict(network.get_submodule(name).fc2.state_dict())
        network.get_submodule(name).dropout.p = loss.branches[stage].dropout.p = 0.0
    labels = torch.tensor([3, 5])
    batch = make_batch(2, 64)
    # torchvision gives the branches' scores in training mode only; norm layers take the statistics of the batch then.
    features, extra = loss(backbone.train(), batch, labels)
    scores = network.train()(batch)
    expected = sum(
        0.3 * nn.functional.cross_entropy(score, labels) for score in (scores.aux_logits1, scores.aux_logits2)
    )
    assert torch.allclose(extra, expected, rtol=1e-5)
    assert features.shape == (2, 1024)


def test_inception_needs_the_size_of_its_weights():
    with pytest.raises(ValueError, match="image_size_px: 298 with auxiliary=True, expected at least 299"):
        tl.load_backbone("inception_v3", weights=None, image_size_px=298, auxiliary=True)
    backbone = tl.load_backbone("inception_v3", weights=None, auxiliary=True)
    branch = backbone.auxiliary["mixed6"]
    assert branch.weight == 0.4
    with torch.no_grad():
        assert branch.module(torch.zeros(1, 768, 17, 17)).shape == (1, branch.n_features)
        side = backbone.until("mixed6")(torch.zeros(1, 3, 299, 299)).shape[-1]
        smaller = backbone.until("mixed6")(torch.zeros(1, 3, 298, 298)).shape[-1]
    assert (side, smaller) == (17, 16)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        branch.module(torch.zeros(1, 768, 16, 16))


def test_a_network_without_branches_says_so():
    with pytest.raises(ValueError, match=r"auxiliary: True, but resnet18 has no.*googlenet, inception_v3 have"):
        tl.load_backbone("resnet18", weights=None, auxiliary=True)


def test_the_loss_of_the_whole_network_has_the_branches_at_their_weight(images):
    def first_loss(weight):
        return transfer(make_backbone_with_a_branch(weight), images, tl.Phase(["all"], 1, 1e-3)).history[0]["loss"]

    without = transfer(make_tiny_backbone(), images, tl.Phase(["all"], 1, 1e-3)).history[0]["loss"]
    small, large = first_loss(0.5) - without, first_loss(1.0) - without
    assert small > 0.1
    assert large == pytest.approx(2 * small, rel=1e-4)


def test_weights_of_the_run_are_changed_by_the_branches_and_hold_none_of_them(images):
    phase = tl.Phase(["all", "head"], 1, {"all": 1e-3, "head": 1e-2})
    backbone = make_backbone_with_a_branch()
    before = copy.deepcopy(backbone.auxiliary["stem"].module.state_dict())
    runs = [transfer(backbone, images, phase, seed=3) for _ in range(2)]
    assert runs[0].backbone.fingerprint() == runs[1].backbone.fingerprint()
    assert (
        runs[0].backbone.fingerprint() != transfer(make_tiny_backbone(), images, phase, seed=3).backbone.fingerprint()
    )
    assert runs[0].backbone.auxiliary == {}
    assert runs[0].strategy["auxiliary"] == {"stem": 0.5}
    after = backbone.auxiliary["stem"].module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the given backbone's branch was trained"
    stored = [*runs[0].backbone.state_dict(), *runs[0].changes()]
    assert not [name for name in stored if "branch" in name or "auxiliary" in name]


@pytest.mark.parametrize("train", [["head"], ["stage1", "head"], ["stem", "stage1", "head"]])
def test_a_phase_that_does_not_train_all_ignores_them(images, train):
    phase = tl.Phase(train, 1, 1e-3)
    run, plain = (transfer(made, images, phase) for made in (make_backbone_with_a_branch(), make_tiny_backbone()))
    assert run.backbone.fingerprint() == plain.backbone.fingerprint()
    assert run.history == plain.history


def train_along(images, phase):
    backbone = make_backbone_with_a_branch().train()
    head = nn.Linear(6, 2)
    loss = AuxiliaryLoss(backbone, 2, seed=0)
    before = copy.deepcopy(loss.state_dict())
    settings = {"batch_size": 6, "weight_decay": 0.0, "auxiliary": loss}
    make_training(backbone, head, tl.Strategy([phase]), images, **settings).run()
    return {name: (value - before[name]).abs().max().item() for name, value in loss.state_dict().items()}


def test_branches_learn_at_the_rate_of_all_and_their_last_layers_at_that_of_the_head(images):
    moved = train_along(images, tl.Phase(["all", "head"], 1, {"all": 1e-3, "head": 1e-2}))
    # Adam's first step is the learning rate.
    assert moved["heads.stem.weight"] == pytest.approx(1e-2, rel=0.05)
    assert moved["branches.stem.2.weight"] == pytest.approx(1e-3, rel=0.05)
    assert moved["branches.stem.3.running_mean"] == 0
    moved = train_along(images, tl.Phase(["all"], 1, 2e-3, norm_statistics="moving"))
    assert moved["heads.stem.weight"] == pytest.approx(2e-3, rel=0.05)
    assert moved["branches.stem.3.running_mean"] > 0


def test_they_are_prepared_with_the_network_that_starts_from_random_weights(googlenet):
    fresh = tl.strategies.get("from_scratch").prepare(googlenet, 5)
    assert list(fresh.auxiliary) == list(googlenet.auxiliary)
    plain = tl.load_backbone("googlenet", weights=None, image_size_px=64)
    assert tl.strategies.get("from_scratch").prepare(plain, 5).auxiliary == {}


def test_hooks_are_gone_after_a_pass_that_fails():
    backbone = make_backbone_with_a_branch()
    loss = AuxiliaryLoss(backbone, 2, seed=0)
    with pytest.raises(RuntimeError):
        loss(backbone, torch.zeros(2, 1, 16, 16), torch.tensor([0, 1]))
    assert not backbone.body["stem"]._forward_hooks
