"""The best epoch on pictures held out: which it is, when it is waited for no longer, and what never enters training."""

import math

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.training import loop
from tlkit.training.batches import TrainingPictures
from tlkit.training.early_stopping import Best, validate
from tlkit.training.frozen_prefix import PrefixOutputs
from tlkit.training.loop import TrainingError


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(6)


def transfer(images, *phases, **settings):
    return tl.transfer(make_tiny_backbone(), images, tl.Strategy(list(phases)), progress=False, **settings)


def stop_by_hand(losses, patience):
    """Return (number of epochs, best epoch), both from 1: after each epoch look back over all of them."""
    for n_epochs in range(1, len(losses) + 1):
        seen = losses[:n_epochs]
        best = seen.index(min(seen)) + 1
        if patience is not None and n_epochs - best >= patience:
            break
    return n_epochs, best


HISTORIES = [
    [3.0, 2.0, 1.0, 2.0, 3.0, 0.5],
    [1.0, 1.0, 1.0, 1.0],  # of equal ones the first is the best
    [1.0, 2.0, 1.0, 0.5, 0.5, 0.6],
    [5.0, 4.0, 3.0, 2.0],
    [0.0, 1.0, 2.0, 3.0],
]


@pytest.fixture
def given_losses(monkeypatch):
    """Lets validation give these losses, and keeps the weights that each epoch had."""
    losses, weights, real = [], [], loop.validate

    def validate_as_given(network, head, pictures, device):
        weights.append((copy_state(network), copy_state(head)))
        return real(network, head, pictures, device) | {"validation_loss": losses[len(weights) - 1]}

    monkeypatch.setattr(loop, "validate", validate_as_given)
    return losses, weights


@pytest.mark.parametrize("patience", [None, 1, 2, 3])
@pytest.mark.parametrize("losses", HISTORIES, ids=str)
def test_it_stops_when_it_should_and_the_best_weights_are_put_back(losses, patience, given_losses, images):
    given_losses[0][:] = losses
    phase = tl.Phase(["all", "head"], len(losses), 1e-2, norm_statistics="moving")
    run = transfer(images, phase, validation=0.25, patience=patience)
    n_epochs, best = stop_by_hand(losses, patience)
    assert [row["validation_loss"] for row in run.history] == losses[:n_epochs]
    backbone, head = given_losses[1][best - 1]
    assert same_bits(run.backbone.state_dict(), backbone)  # running statistics among them
    assert same_bits(run.head.state_dict(), head)
    others = [state for number, (state, _) in enumerate(given_losses[1]) if number != best - 1]
    assert not any(same_bits(state, backbone) for state in others)


def test_each_phase_has_its_own_best_epoch_and_goes_on_from_the_one_before(given_losses, images):
    given_losses[0][:] = [1.0, 2.0, 6.0, 5.0, 7.0]
    phases = tl.Phase(["all", "head"], 2, 1e-2), tl.Phase(["all", "head"], 3, 1e-9)
    run = transfer(images, *phases, validation=0.25, patience=2, weight_decay=0.0)
    assert [row["validation_loss"] for row in run.history] == [1.0, 2.0, 6.0, 5.0, 7.0]
    weights = given_losses[1]
    assert same_bits(run.backbone.state_dict(), weights[3][0])
    # The second phase hardly moves anything, so it shows which weights it began with.
    first, second = (weights[number][0]["body.stem.0.weight"] for number in (0, 1))
    assert torch.allclose(weights[2][0]["body.stem.0.weight"], first, atol=1e-6)
    assert not torch.allclose(second, first, atol=1e-4)


def test_the_weights_that_were_noted_are_not_moved_by_training():
    backbone, head = make_tiny_backbone(), nn.Linear(6, 2)
    best = Best()
    best.note({"validation_loss": 1.0, "epoch": 1}, backbone, head)
    with torch.no_grad():
        head.weight.add_(1)
    best.note({"validation_loss": 1.0, "epoch": 2}, backbone, head)
    assert torch.equal(best.tensors["head.weight"] + 1, head.weight)
    assert (best.loss, best.epoch) == (1.0, 1)
    assert not best.is_over([{"epoch": 2}], 2) and best.is_over([{"epoch": 3}], 2)
    assert not best.is_over([{"epoch": 99}], None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_a_number_is_never_the_best(value, given_losses, images):
    best = Best()
    best.note({"validation_loss": value, "epoch": 1}, make_tiny_backbone(), nn.Linear(6, 2))
    assert best.tensors is None
    given_losses[0][:] = [1.0, value]
    with pytest.raises(TrainingError, match=rf"the validation loss is {value} after epoch 2"):
        transfer(images, tl.Phase(["head"], 3, 1e-2), validation=0.25)


@pytest.mark.parametrize("with_front", [False, True])
def test_validation_is_the_plain_mean_over_the_pictures(with_front, images):
    backbone, head = make_tiny_backbone(), nn.Linear(6, len(images.classes))
    images = tl.load_images("styles", domain="clipart")[:40]  # more than a batch
    pictures = TrainingPictures(images, backbone.recipe, 0, 3)
    network = backbone
    if with_front:
        source = PrefixOutputs(backbone, 1, pictures, pretrained=False)
        source.compute([(None, 0)])
        pictures, network = source, backbone.after("stem")
    scores = validate(network.train(), head.train(), pictures, torch.device("cpu"))
    total_loss = n_correct = 0
    with torch.no_grad():
        for index in range(40):
            square = torch.from_numpy(backbone.preprocess(images.read(index)))[None]
            chances = torch.softmax(head(backbone.eval()(square))[0], 0)
            total_loss -= math.log(chances[images.labels[index]])
            n_correct += int(chances.argmax()) == images.labels[index]
    assert scores["validation_loss"] == pytest.approx(total_loss / 40, rel=1e-5)
    assert scores["validation_accuracy"] == n_correct / 40


@pytest.mark.parametrize("frozen_prefix_mib", [0, 1024])
def test_pictures_held_out_are_never_learned_from_and_no_group_straddles(frozen_prefix_mib, monkeypatch):
    learned_from = set()
    for kind in (TrainingPictures, PrefixOutputs):

        def batch(self, indices, policy, epoch, real=kind.batch):
            pictures = getattr(self, "pictures", self)
            if torch.is_grad_enabled():
                learned_from.update(pictures.images.digest(int(index)) for index in indices)
            return real(self, indices, policy, epoch)

        monkeypatch.setattr(kind, "batch", batch)
    solved, real = [], loop.extract_features

    def extract(backbone, pictures, *rest, **settings):
        solved.append(pictures)
        return real(backbone, pictures, *rest, **settings)

    monkeypatch.setattr(loop, "extract_features", extract)
    phases = tl.Phase(["head"], None), tl.Phase([-1, "head"], 2, 1e-2)
    images = tl.load_images("styles", domain=["emoji", "twemoji"]).select(classes=["bird", "tool"])
    images = images[np.isin(images.groups, np.unique(images.groups)[::2])]  # groups of two
    assert len(images) == 2 * len(np.unique(images.groups))
    transfer(images, *phases, validation=0.3, frozen_prefix_mib=frozen_prefix_mib, seed=2)
    of_set = {images.digest(index): images.groups[index] for index in range(len(images))}
    held = set(of_set) - learned_from
    assert 0.2 * len(of_set) < len(held) < 0.5 * len(of_set)
    assert {of_set[digest] for digest in held}.isdisjoint(of_set[digest] for digest in learned_from)
    (pictures,) = solved
    assert {pictures.digest(index) for index in range(len(pictures))} == learned_from


def test_validation_draws_nothing_and_leaves_norm_statistics(images):
    backbone, head = make_tiny_backbone(), nn.Linear(6, len(images.classes))
    before, state = copy_state(backbone), torch.get_rng_state()
    validate(backbone.train(), head, TrainingPictures(images, backbone.recipe, 0), torch.device("cpu"))
    assert same_bits(before, backbone.state_dict())
    assert torch.equal(torch.get_rng_state(), state)
    assert not backbone.training
    assert np.isfinite(backbone(make_batch()).detach().numpy()).all()
