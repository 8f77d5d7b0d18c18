"""A finished run goes on with a target alone: what moves, what stays, and what is refused."""

import dataclasses
import functools
import json
import math

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.adaptation.losses import entropy_loss, information_maximisation_loss
from tlkit.adaptation.source_free import SourceHypothesisTransfer, finish_on_target, label_by_centroids
from tlkit.adaptation.test_time import METHODS, adapt_run
from tlkit.backbones.backbone import Backbone
from tlkit.training.lora import insert_lora, merge_lora

CLASSES = ["bird", "bug", "tool"]
MOVING = tl.Phase(["all"], 3, 1e-2, norm_statistics="moving")
# Settings with which a short adaptation has a visible effect.
FAST = {"adabn": {}, "tent": {"n_epochs": 5, "learning_rate": 3e-2}, "shot": {"train": [-1], "learning_rate": 1e-2}}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=CLASSES).with_classes(CLASSES).few(4)


@pytest.fixture(scope="module")
def target():
    return tl.load_images("styles", domain="photo").select(classes=CLASSES).with_classes(CLASSES).few(5)


def transfer(backbone, images, *phases, **settings):
    if any(phase.n_epochs for phase in phases):
        settings["batch_size"] = 5
    return tl.transfer(backbone, images, tl.Strategy(list(phases), name="short"), progress=False, **settings)


@pytest.fixture(scope="module")
def run(images):
    """One in which all norm statistics moved."""
    return transfer(make_tiny_backbone(), images, MOVING)


@pytest.fixture(scope="module")
def frozen_run(images):
    return transfer(make_tiny_backbone(), images, tl.Phase(["all"], 1, 1e-2))


@pytest.fixture(scope="module")
def lite0():
    return tl.load_backbone("efficientnet_lite0", image_size_px=32)


def take_state(run):
    return copy_state(nn.ModuleDict({"backbone": run.backbone, "head": run.head}))


def read_batch(run, images):
    return torch.from_numpy(np.stack([run.backbone.preprocess(picture) for picture, _ in images]))


def score(run, images):
    with torch.no_grad():
        return run.head(run.backbone(read_batch(run, images)))


def list_moved(run, adapted):
    before, after = take_state(run), take_state(adapted)
    return {name for name in before if not torch.equal(before[name], after[name])}


STATISTICS = {
    f"backbone.body.{layer}.{name}"
    for layer in ("stem.1", "stage1.1")
    for name in ("running_mean", "running_var", "num_batches_tracked")
}
AFFINE = {f"backbone.body.{layer}.{name}" for layer in ("stem.1", "stage1.1") for name in ("weight", "bias")}
LAST_STAGE = {f"backbone.body.stage1.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")}


@pytest.mark.parametrize(
    ("method", "expected"), [("adabn", STATISTICS), ("tent", STATISTICS | AFFINE), ("shot", LAST_STAGE)]
)
def test_a_method_moves_what_it_says_in_a_copy(method, expected, run, target):
    before, description = take_state(run), json.dumps(run.strategy)
    fields = {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}
    adapted = adapt_run(run, target, method, **FAST[method])
    moved = list_moved(run, adapted)
    assert moved - {"backbone.body.stem.1.num_batches_tracked"} <= expected
    assert not {name for name in expected - moved if not name.endswith("num_batches_tracked")}
    assert same_bits(take_state(run), before)
    assert json.dumps(run.strategy) == description
    assert all(getattr(run, name) is value for name, value in fields.items())
    assert not adapted.backbone.training and not run.backbone.training
    assert all(value.requires_grad for value in adapted.backbone.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bits_whatever_the_targets_labels(method, run, target):
    state = torch.random.get_rng_state()
    other = dataclasses.replace(target, labels=np.roll(target.labels, 4))
    runs = [adapt_run(run, pictures, method, seed=seed, **FAST[method]) for pictures, seed in ((target, 0), (other, 0))]
    assert same_bits(*map(take_state, runs))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not same_bits(take_state(adapt_run(run, target[:-3], method, **FAST[method])), take_state(runs[0]))


def test_adabn_gives_the_statistics_of_the_target(run, target):
    adapted = adapt_run(run, target, "adabn")
    with torch.no_grad():
        maps = run.backbone.body["stem"][0](read_batch(run, target))
    layer = adapted.backbone.body["stem"][1]
    assert torch.allclose(layer.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(layer.running_var, maps.var(dim=(0, 2, 3)), rtol=1e-3)


def test_adabn_leaves_layers_whose_statistics_did_not_move(images, target):
    run = transfer(make_tiny_backbone(), images, tl.Phase([-1, "head"], 1, 1e-2, norm_statistics="moving"))
    for method in ("adabn", "tent"):
        moved = list_moved(run, adapt_run(run, target, method, **FAST[method]))
        assert moved and not [name for name in moved if "stage1.1" not in name]


def test_tent_makes_predictions_surer_than_new_statistics_do(run, target):
    scores = [score(adapt_run(run, target, method, **FAST[method]), target) for method in ("adabn", "tent")]
    assert entropy_loss(scores[1]) < entropy_loss(scores[0]) - 0.01


def test_tent_takes_the_step_of_a_plain_loop(run, target):
    adapted = adapt_run(run, target, "tent", learning_rate=1e-2)
    network, head = make_tiny_backbone(), run.head
    network.load_state_dict(run.backbone.state_dict())
    layers = [network.body["stem"][1].train(), network.body["stage1"][1].train()]
    learning = [value for layer in layers for value in layer.parameters()]
    chances = torch.softmax(head(network(read_batch(run, target))), dim=1)
    entropy = -(chances * torch.log(chances)).sum(dim=1).mean()
    for value, gradient in zip(learning, torch.autograd.grad(entropy, learning), strict=True):
        with torch.no_grad():
            value -= 1e-2 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
    for path in ("stem.1", "stage1.1"):
        for name in ("weight", "bias"):
            expected, given = (net.get_parameter(f"body.{path}.{name}") for net in (network, adapted.backbone))
            assert torch.allclose(given, expected, atol=1e-5)
    assert adapted.strategy["adapted"][0]["losses"] == pytest.approx([entropy.item()], rel=1e-5)
    # In the end the statistics are those of the target, and nothing else was given a gradient.
    with torch.no_grad():
        maps = run.backbone.body["stem"][0](read_batch(run, target))
    assert torch.allclose(adapted.backbone.body["stem"][1].running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    given = {name for name, value in adapted.backbone.named_parameters() if value.grad is not None}
    assert given == {name.removeprefix("backbone.") for name in AFFINE}
    assert adapted.head.weight.grad is None


def test_shot_lowers_its_loss_under_a_head_that_stays(run, target):
    adapted = adapt_run(run, target, "shot", **FAST["shot"])
    losses = [information_maximisation_loss(score(one, target)) for one in (run, adapted)]
    assert losses[1] < losses[0] - 0.01
    assert same_bits(adapted.head.state_dict(), run.head.state_dict())
    record = adapted.strategy["adapted"][0]
    assert len(record["losses"]) == 10 and record["n_steps"] == 10


def test_shot_comes_to_the_same_where_the_front_is_not_computed_once(run, target):
    runs = [adapt_run(run, target, "shot", frozen_prefix_mib=mib, batch_size=4, **FAST["shot"]) for mib in (64, 0)]
    states = [take_state(one) for one in runs]
    assert all(torch.allclose(states[0][name], value, atol=1e-3) for name, value in states[1].items())


def label_slowly(features, probabilities):
    rows = [[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in features]
    shares = [list(row) for row in probabilities]
    for _ in range(2):
        centres = {}
        for label in range(len(shares[0])):
            total = sum(row[label] for row in shares)
            if total:
                pairs = list(zip(rows, shares, strict=True))
                centres[label] = [sum(s[label] * row[d] for row, s in pairs) / total for d in range(len(rows[0]))]
        labels = []
        for row in rows:
            cosines = {
                label: sum(a * b for a, b in zip(row, centre, strict=True)) / math.sqrt(sum(c * c for c in centre))
                for label, centre in centres.items()
            }
            labels.append(max(cosines, key=cosines.get))
        shares = [[float(label == one) for one in range(len(shares[0]))] for label in labels]
    return labels


@pytest.mark.parametrize("seed", range(5))
def test_labels_by_centroids_are_those_of_a_loop(seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(20, 4)) + 0.5
    scores = random.normal(size=(20, 6)) * 2
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    given = label_by_centroids(torch.from_numpy(features), torch.from_numpy(probabilities)).tolist()
    assert given == label_slowly(features, probabilities)
    assert given != probabilities.argmax(axis=1).tolist()


def test_a_class_that_nothing_is_near_to_gets_no_picture():
    features = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    probabilities = torch.tensor([[0.5, 0.0, 0.5], [0.9, 0.0, 0.1], [0.0, 0.0, 1.0]])
    assert label_by_centroids(features, probabilities).tolist() == [0, 0, 2]


@pytest.mark.parametrize("method", ["adabn", "tent"])
def test_frozen_norm_statistics_are_refused_with_what_to_do(method, frozen_run, target):
    message = rf"{method}.*none of the 2 norm layers' moved in training, .* norm_statistics='moving', or take 'shot'"
    with pytest.raises(ValueError, match=message):
        adapt_run(frozen_run, target, method)
    assert adapt_run(frozen_run, target, "shot").completed


@pytest.mark.parametrize("method", ["adabn", "tent"])
def test_a_network_without_such_norm_layers_is_refused(method, images, target):
    tiny = make_tiny_backbone()
    stages = {"stem": nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.GroupNorm(2, 6), nn.ReLU())}
    backbone = Backbone("plain", stages, tiny.tail, tiny.recipe, {"source": "a test"}).eval()
    run = transfer(backbone, images, MOVING)
    with pytest.raises(ValueError, match=f"{method}.*plain has no norm layer that keeps them: take 'shot'"):
        adapt_run(run, target, method)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"run": "dann"}, TypeError, "run: 'dann' is a str, expected a Run"),
        ({"target": "photo"}, TypeError, "target: a str, expected an ImageSet"),
        ({"target": slice(1)}, ValueError, "target: 1 pictures, expected two or more"),
        ({"method": "bn"}, ValueError, "method: 'bn' is unknown; .*'adabn'"),
        ({"method": "adabn", "n_epochs": 2}, TypeError, "n_epochs: no setting of method 'adabn'"),
        ({"method": "tent", "n_epoch": 2}, TypeError, "n_epoch: no setting of method 'tent'; nearest: 'n_epochs'"),
        ({"method": "tent", "n_epochs": 0}, ValueError, "n_epochs: 0, expected a whole number of at least 1"),
        ({"method": "tent", "batch_size": 1}, ValueError, "batch_size: 1, expected a whole number of at least 2"),
        ({"method": "shot", "learning_rate": 0}, ValueError, "learning_rate: 0, expected a number above 0"),
        ({"method": "shot", "train": ["stage7"]}, ValueError, "stage7"),
        ({"method": "shot", "train": "stage7"}, ValueError, "stage: 'stage7' is not a stage"),
        ({"method": "shot", "pseudo_label_weight": -1}, ValueError, "pseudo_label_weight: -1, expected a number of at"),
        ({"method": "shot", "pseudo_label_weight": "x"}, TypeError, "pseudo_label_weight: 'x', expected a number of"),
        ({"seed": -1}, ValueError, "seed: -1"),
    ],
)
def test_what_can_not_be_used_is_named(given, error, message, run, target):
    arguments = {"run": run, "target": target} | given
    if isinstance(arguments["target"], slice):
        arguments["target"] = target[arguments["target"]]
    with pytest.raises(error, match=message):
        adapt_run(**arguments)


def test_looks_are_counted_together_and_transductive_ones_are_named(run, images, target):
    run = dataclasses.replace(run, looks={})
    adapted = adapt_run(run, target[:6], "adabn")
    assert [one.evaluate(target).n_looks for one in (run, adapted, run)] == [1, 2, 3]
    assert adapted.evaluate(target).transductive and not run.evaluate(target).transductive
    assert not adapted.evaluate(target[6:]).transductive
    again = adapt_run(adapted, target[6:], "shot", **FAST["shot"])
    assert again.evaluate(target[6:]).transductive and again.evaluate(target[:6]).transductive
    assert again.strategy["name"] == "short, then adabn, then shot"
    assert [record["method"] for record in again.strategy["adapted"]] == ["adabn", "shot"]
    assert len(adapted.strategy["adapted"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("only_changes", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_an_adapted_run_is_stored_and_loaded(method, only_changes, lite0, images, target, tmp_path):
    phase = tl.Phase(["adapter", "head"], 1, 1e-2, norm_statistics="moving")
    lora = tl.Strategy([phase], functools.partial(insert_lora, rank=1, scale=1.0), merge_lora, name="lora")
    run = tl.transfer(lite0, images, lora, batch_size=6, progress=False)
    assert run.adapters
    adapted = adapt_run(run, target, method, **FAST[method])
    adapted.save(tmp_path, only_changes)
    loaded = tl.load_run(tmp_path)
    assert same_bits(take_state(loaded), take_state(adapted))
    assert np.array_equal(loaded.predict(target), adapted.predict(target))
    assert loaded.strategy == json.loads(json.dumps(adapted.strategy))
    assert loaded.adapted_to == adapted.adapted_to and len(adapted.adapted_to) == len(target)
    assert not same_bits(take_state(loaded), take_state(run))


def test_adabn_as_a_run_goes_on_is_the_strategys(images, target):
    """The statistics of a strategy that ends with the target's are those of the same training adapted afterwards."""
    strategy = tl.Strategy([MOVING], finish=finish_on_target)
    at_once = tl.transfer(make_tiny_backbone(), images, strategy, target=target, batch_size=5, progress=False)
    later = adapt_run(transfer(make_tiny_backbone(), images, MOVING), target, "adabn")
    assert same_bits(take_state(at_once), take_state(later))


@pytest.mark.parametrize("method", ["tent", "shot"])
def test_callbacks_are_called_after_each_step_and_end_the_adaptation(method, run, target):
    steps = []

    def stop(training):
        if not training.computing:
            steps.append((training.epoch_index, training.batch_index))
        return len(steps) == 3

    adapted = adapt_run(run, target, method, batch_size=8, callbacks=[stop], **FAST[method])
    assert steps == [(0, 1), (0, 2), (1, 1)]
    assert not adapted.completed
    assert adapted.strategy["adapted"][0]["n_steps"] == 2
    assert np.isfinite(adapted.predict(target)).all()


class Killed(BaseException):
    """Ends a training as nothing but a kill does."""


@pytest.mark.parametrize("method", ["tent", "shot"])
def test_killed_and_resumed_an_adaptation_ends_with_the_same_bits(method, run, target, tmp_path):
    settings = {"batch_size": 6, "checkpoint_every_s": 0, "checkpoint": tmp_path / "adapted"} | FAST[method]
    expected = adapt_run(run, target, method, **settings | {"checkpoint": None})
    # Within an epoch, after its last step, and in a later one.
    for n_steps in (2, 1, 2):
        steps = []

        def kill(training, steps=steps, n_steps=n_steps):
            if not training.computing:
                steps.append(training.step)
            if len(steps) == n_steps:
                raise Killed

        with pytest.raises(Killed):
            adapt_run(run, target, method, callbacks=[kill], **settings)
    steps = []

    def note(training):
        if not training.computing:
            steps.append(training.step)

    resumed = adapt_run(run, target, method, callbacks=[note], **settings)
    assert 0 < len(steps) < expected.strategy["adapted"][0]["n_steps"]
    assert same_bits(take_state(resumed), take_state(expected))
    records = [one.strategy["adapted"][0] for one in (resumed, expected)]
    assert [{**record, "duration_s": 0} for record in records] == [{**records[0], "duration_s": 0}] * 2
    again = adapt_run(run, target, method, callbacks=[pytest.fail], **settings)
    assert same_bits(take_state(again), take_state(expected))
    with pytest.raises(ValueError, match=r"holds another run, with other adaptation.seed \(0 there, 1 here\)"):
        adapt_run(run, target, method, seed=1, **settings)


def test_ctrl_c_ends_an_adaptation_with_what_was_reached(run, target):
    def interrupt(training):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted after 0 epochs") as caught:
        assert not adapt_run(run, target, "tent", callbacks=[interrupt]).completed
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_an_objective_without_the_source_goes_into_a_strategy_too(images, target):
    shot = tl.Phase([-1], 3, 1e-2, objective=SourceHypothesisTransfer(0.3))
    backbone = make_tiny_backbone()
    backbone.body["stage1"][3].p = 0.0  # no dropout, which a strategy draws after the head's first weights
    run = transfer(backbone, images, tl.Phase(["head"], None), shot, target=target)
    assert [row["n_steps"] for row in run.history] == [3] * 3
    assert all(math.isnan(row["accuracy"]) and row["loss"] == row["objective_loss"] for row in run.history)
    probe = transfer(backbone, images, tl.Phase(["head"], None))
    assert same_bits(run.head.state_dict(), probe.head.state_dict())
    adapted = adapt_run(probe, target, train=[-1], n_epochs=3, learning_rate=1e-2, batch_size=5)
    assert same_bits(take_state(run), take_state(adapted))
