"""Phases with an objective: what it sees, what it never sees, and that all else of a training holds."""

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_training import make_training
from torch import nn

import tlkit as tl
from tlkit.adaptation.losses import entropy_loss
from tlkit.adaptation.source_free import finish_on_target
from tlkit.adaptation.trained_objectives import Cdan, Dan, Dann, DeepCoral, Mcc
from tlkit.summaries.freeze_score import make_score, make_strategy
from tlkit.summaries.freeze_score_trials import make_painted_score
from tlkit.training.batches import TrainingPictures, order_pictures, order_target
from tlkit.training.frozen_prefix import PrefixOutputs
from tlkit.training.step import TrainingError

OBJECTIVES = [DeepCoral, Dan, Dann, Cdan, Mcc]
CLASSES = ["bird", "bug", "tool"]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=CLASSES).with_classes(CLASSES).few(4)


@pytest.fixture(scope="module")
def target():
    return tl.load_images("styles", domain="photo").select(classes=CLASSES).with_classes(CLASSES).few(3)[:7]


@pytest.fixture
def backbone():
    """Without dropout, whose draws depend on how many pictures are computed at once."""
    backbone = make_tiny_backbone()
    backbone.body["stage1"][3].p = 0.0
    return backbone


def transfer(backbone, images, *phases, finish=None, **settings):
    strategy = tl.Strategy(list(phases), finish=finish)
    size = {"batch_size": 5} if any(phase.n_epochs for phase in phases) else {}
    return tl.transfer(backbone, images, strategy, **size | {"progress": False} | settings)


def take_state(run):
    return copy_state(nn.ModuleDict({"backbone": run.backbone, "head": run.head}))


def tune(objective, n_epochs=3, train=("all",), **settings):
    return tl.Phase(list(train), n_epochs, 1e-2, objective=objective, **settings)


@dataclasses.dataclass(frozen=True)
class Constant:
    """Adds the same to each loss."""

    value: float

    def __call__(self, source, target, critic, progress):
        return torch.tensor(self.value)


@dataclasses.dataclass(frozen=True)
class SureTarget:
    """A mean over the target's rows: what parts of a batch sum up to."""

    loss_weight: float

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * entropy_loss(target.scores)


@dataclasses.dataclass(frozen=True)
class ByMean:
    """Solves a head of its own from what it is given."""

    name: str = "by mean"

    def solve(self, source_values, labels, target_values, n_classes, seed):
        centre = target_values.mean(axis=0) + seed
        weight = np.stack([source_values[labels == label].mean(axis=0) for label in range(n_classes)])
        return weight - centre, weight @ centre


@pytest.mark.parametrize(("n_target", "n_source"), [(7, 12), (7, 7), (5, 2), (40, 12), (1, 3)])
def test_the_target_is_gone_through_in_one_permutation_after_another(n_target, n_source):
    epochs = [order_target(n_target, n_source, epoch, seed=3) for epoch in range(9)]
    assert [len(epoch) for epoch in epochs] == [n_source] * 9
    stream = np.concatenate(epochs)
    passes = [stream[start : start + n_target] for start in range(0, len(stream), n_target)]
    for one in passes:
        assert len(set(one)) == len(one), "no picture comes twice before all came once"
    whole = [one.tolist() for one in passes if len(one) == n_target]
    assert all(sorted(one) == list(range(n_target)) for one in whole)
    if n_target > 2 and len(whole) > 1:
        assert whole[0] != whole[1]
        assert order_target(n_target, n_source, 0, seed=4).tolist() != epochs[0].tolist()


def test_the_targets_order_is_not_the_sources():
    labels = np.zeros(30, np.int64)
    orders = [order_pictures(labels, epoch, 0, None).tolist() for epoch in range(4)]
    assert not [epoch for epoch in range(4) if order_target(30, 30, epoch, 0).tolist() in orders]


def test_an_objective_sees_as_many_pictures_of_either_domain_and_no_target_label(backbone, images, target):
    seen = []

    def look(source, target, critic, progress):
        assert critic is None and target.labels is None
        assert source.features.shape == target.features.shape == (len(source.labels), 6)
        assert torch.equal(source.scores, source.scores.float())
        seen.append((len(source.labels), progress, source, target))
        return torch.zeros(())

    phase = tl.Phase(["head"], 2, 1e-9, objective=look)
    transfer(backbone, images, phase, target=target)
    assert [size for size, *_ in seen] == [4, 4, 4] * 2
    assert [progress for _, progress, *_ in seen] == pytest.approx([step / 6 for step in range(6)])
    features = {
        name: tl.extract_features(backbone, pictures, engine="torch", cache=False, progress=False).values
        for name, pictures in (("source", images), ("target", target))
    }
    for epoch in range(2):
        steps = seen[3 * epoch : 3 * epoch + 3]
        orders = order_pictures(images.labels, epoch, 0, None), order_target(7, 12, epoch, 0)
        for part, order, name in ((2, orders[0], "source"), (3, orders[1], "target")):
            rows = torch.cat([step[part].features for step in steps]).detach().numpy()
            assert np.allclose(rows, features[name][order], atol=1e-5), name
        assert np.array_equal(torch.cat([step[2].labels for step in steps]), images.labels[orders[0]])


@pytest.mark.slow
@pytest.mark.parametrize(
    "phases",
    [
        *([tune(kind(1.0))] for kind in OBJECTIVES),
        [tl.Phase(["head"], None, objective=ByMean())],
        [tune(None, norm_statistics="moving")],
    ],
    ids=lambda phases: type(phases[0].objective).__name__,
)
def test_labels_of_the_target_change_no_bit(phases, backbone, images, target):
    other = dataclasses.replace(target, labels=np.roll(target.labels, 3)[::-1] * 0 + 2)
    finish = finish_on_target if phases[0].objective is None else None
    runs = [transfer(backbone, images, *phases, finish=finish, target=pictures) for pictures in (target, other)]
    assert same_bits(*map(take_state, runs))
    assert runs[0].history == runs[1].history
    assert runs[0].strategy == runs[1].strategy


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_other_target_pictures_change_what_is_trained(kind, backbone, images, target):
    runs = [transfer(backbone, images, tune(kind(1.0)), target=pictures) for pictures in (target, target[1:])]
    assert not same_bits(*map(take_state, runs))
    assert runs[0].strategy["target"] != runs[1].strategy["target"]


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_without_loss_weight_an_objective_is_as_good_as_none(kind, optimizer, images, target):
    backbone = make_tiny_backbone()  # with dropout: no critic may draw from the same random numbers
    settings = {"target": target, "optimizer": optimizer}
    without = transfer(backbone, images, tune(Constant(0.0)), **settings)
    run = transfer(backbone, images, tune(kind(0.0)), **settings)
    assert same_bits(take_state(run), take_state(without))
    assert not same_bits(take_state(transfer(backbone, images, tune(kind(1.0)), **settings)), take_state(run))


@pytest.mark.parametrize("frozen_prefix_mib", [0, 64])
def test_target_pictures_beside_them_leave_source_pictures_as_they_are(frozen_prefix_mib, backbone, images, target):
    settings = {"optimizer": "sgd", "frozen_prefix_mib": frozen_prefix_mib}
    run = transfer(backbone, images, tune(Constant(0.0), train=[-1, "head"]), target=target, **settings)
    alone = transfer(backbone, images, tune(None, train=[-1, "head"]), **settings)
    states = take_state(run), take_state(alone)
    assert all(torch.allclose(states[0][name], value, atol=1e-5) for name, value in states[1].items())
    assert [row["loss"] for row in run.history] == pytest.approx([row["loss"] for row in alone.history], rel=1e-4)


def test_history_says_the_objectives_part_of_the_loss(backbone, images, target):
    phases = [tune(Constant(0.25), 2), tune(None, 1)]
    run = transfer(backbone, images, *phases, target=target)
    plain = transfer(backbone, images, tune(Constant(0.0), 2), tune(None, 1), target=target)
    assert [row.get("objective_loss") for row in run.history] == pytest.approx([0.25, 0.25, None])
    for row, other, part in zip(run.history, plain.history, (0.25, 0.25, 0), strict=True):
        assert row["loss"] == pytest.approx(other["loss"] + part)


def test_norm_layers_whose_statistics_move_see_both_domains(backbone, images, target):
    run = transfer(
        backbone,
        images[::3],
        tune(Constant(0.0), 1, norm_statistics="moving"),
        target=target[:4],
        optimizer="sgd",
    )
    layer = backbone.body["stem"][0]
    batch = torch.from_numpy(np.stack([backbone.preprocess(picture) for picture, _ in (*images[::3], *target[:4])]))
    with torch.no_grad():
        mean = layer(batch).mean(dim=(0, 2, 3))
    moved = run.backbone.body["stem"][1].running_mean
    assert torch.allclose(moved, 0.1 * mean, atol=1e-6)


@pytest.mark.parametrize("train", [("head",), (-1, "head"), ("all",)])
@pytest.mark.parametrize("kind", [DeepCoral, Cdan])
def test_the_end_is_the_same_where_the_front_is_computed_once(train, kind, backbone, images, target):
    phase = tune(kind(1.0), train=train)
    runs = [transfer(backbone, images, phase, target=target, optimizer="sgd", frozen_prefix_mib=mib) for mib in (64, 0)]
    expected = {"head": "stage1", -1: "stem", "all": None}[train[0]]
    assert [row["frozen_prefix"] for row in runs[0].history] == [expected] * 3
    assert [row["frozen_prefix"] for row in runs[1].history] == [None] * 3
    states = [take_state(run) for run in runs]
    assert all(torch.allclose(states[0][name], value, atol=1e-4) for name, value in states[1].items())
    parts = [[row["objective_loss"] for row in run.history] for run in runs]
    assert parts[0] == pytest.approx(parts[1], rel=1e-3)


@pytest.mark.parametrize(("augment", "n_views"), [(None, None), ("crop", 2)])
def test_each_frozen_picture_of_both_domains_is_computed_once_within_the_memory(
    augment, n_views, backbone, images, target, tmp_path, monkeypatch, n_preprocessed
):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path))
    n_sets = n_views or 1
    n_bytes = n_sets * (len(images) + len(target)) * math.prod(backbone.infer_shape(16, "stem")) * 4
    phases = [tune(None, 2, [-1, "head"], augment=augment), tune(Dan(1.0), 2, [-1, "head"], augment=augment)]
    held = []

    def look(training):
        if not training.computing:
            sources = [part for part in (training.inputs, training.target_inputs) if isinstance(part, PrefixOutputs)]
            held.append(sum(values.nbytes for source in sources for values in source.views.values()))

    for mib, expected in ((n_bytes / 2**20, "stem"), ((n_bytes - 1) / 2**20, None)):
        held.clear()
        settings = {"n_views": n_views, "frozen_prefix_mib": mib, "callbacks": [look], "progress": False}
        run = tl.transfer(backbone, images, tl.Strategy(phases), target=target, **settings)
        # A phase without an objective holds none of the target.
        assert [row["frozen_prefix"] for row in run.history] == ["stem", "stem", expected, expected]
        assert max(held) == (n_bytes if expected else n_bytes * len(images) // (len(images) + len(target)))
    if augment is None:
        assert len(n_preprocessed) == len(images) + len(target)


def test_parts_of_a_batch_sum_up_to_the_whole(backbone, images, target):
    settings = {"target": target, "optimizer": "sgd", "batch_size": 12}
    whole, parts = (
        transfer(backbone, images, tune(SureTarget(2.0)), micro_batch_size=size, **settings) for size in (None, 5)
    )
    states = take_state(whole), take_state(parts)
    assert all(torch.allclose(states[0][name], value, atol=1e-5) for name, value in states[1].items())
    for name in ("loss", "objective_loss"):
        assert [row[name] for row in whole.history] == pytest.approx([row[name] for row in parts.history], rel=1e-5)
    for kind in OBJECTIVES:
        assert transfer(backbone, images, tune(kind(1.0)), micro_batch_size=2, **settings).completed


def test_a_critic_learns_at_the_heads_rate_and_goes_with_its_phase(backbone, images, target):
    seen = []

    def look(training):
        rates = {id(value): group["lr"] for group in training.optimizer.param_groups for value in group["params"]}
        critic = training.critic
        seen.append(critic and [rates[id(value)] / rates[id(training.head.weight)] for value in critic.parameters()])
        seen.append(critic and copy_state(critic))

    phase = tl.Phase(["all", "head"], 1, {"all": 1e-3, "head": 1e-2}, objective=Dann(1.0, n_hidden=4))
    phases = [dataclasses.replace(phase, objective=one) for one in (phase.objective, None, phase.objective, Mcc(1.0))]
    transfer(backbone, images, *phases, target=target, callbacks=[look])
    rates, states = seen[::2], seen[1::2]
    assert rates == ([[1.0] * 4] * 3 + [None] * 3) * 2
    assert not same_bits(states[0], states[1])


def test_a_critic_is_made_anew_for_each_phase(backbone, images, target):
    made = []

    class Watched(Dann):
        def make_critic(self, n_features, n_classes, seed):
            made.append((n_features, n_classes, seed))
            return super().make_critic(n_features, n_classes, seed)

    phase = tune(Watched(1.0, n_hidden=4), 1)
    transfer(backbone, images, phase, phase, target=target, seed=5)
    assert made == [(6, 3, 5)] * 2


def test_an_objective_solves_the_head_from_both_domains(backbone, images, target):
    run = transfer(backbone, images, tl.Phase(["head"], None, objective=ByMean()), target=target, seed=2)
    values = [tl.extract_features(backbone, part, progress=False).values for part in (images, target)]
    weight, bias = ByMean().solve(values[0], images.labels, values[1], 3, 2)
    assert np.allclose(run.head.weight.detach(), weight, atol=1e-6)
    assert np.allclose(run.head.bias.detach(), bias, atol=1e-6)
    assert not run.tuned
    assert run.strategy["phases"][0]["objective"] == {"function": "ByMean", "name": "by mean"}


def test_the_description_says_objective_and_target_and_json_holds_it(backbone, images, target):
    run = transfer(backbone, images, tune(Cdan(0.5, weighted=False, n_hidden=4), 1), target=target)
    described = json.loads(json.dumps(run.strategy))
    objective = {"function": "Cdan", "loss_weight": 0.5, "weighted": False, "n_hidden": 4}
    assert described["phases"][0]["objective"] == objective
    assert len(described["target"]) == 64
    assert "target" not in transfer(backbone, images, tune(None, 1)).strategy
    other_labels = dataclasses.replace(target, labels=target.labels * 0)
    assert transfer(backbone, images, tune(Mcc(1.0), 1), target=other_labels).strategy["target"] == described["target"]


@pytest.fixture(scope="module")
def known_backbone():
    """One that is loaded again by its name."""
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


@pytest.mark.slow
def test_a_run_says_where_it_is_looked_at_on_pictures_that_it_was_adapted_to(known_backbone, images, target, tmp_path):
    run = transfer(known_backbone, images, tune(Mcc(1.0), 1, [-1, "head"]), target=target[:5])
    run.save(tmp_path)
    for one in (run, tl.load_run(tmp_path)):
        assert one.evaluate(target[4:]).transductive
        assert "transductive: adapted to pictures of this set" in repr(one.evaluate(target))
        apart = one.evaluate(target[5:])
        assert not apart.transductive
        assert "transductive" not in repr(apart)
    assert not transfer(known_backbone, images, tune(None, 1, [-1, "head"])).evaluate(target).transductive


def test_a_single_picture_in_a_step_or_part_is_refused(backbone, images, target):
    with pytest.raises(TrainingError, match="batch_size: 1 with 12 pictures makes a batch of one, which can't show"):
        transfer(backbone, images, tune(DeepCoral(1.0)), target=target, batch_size=1)
    with pytest.raises(
        TrainingError, match="micro_batch_size: 2 leaves one picture of a batch of 3 alone, which can't"
    ):
        transfer(backbone, images, tune(DeepCoral(1.0)), target=target, batch_size=3, micro_batch_size=2)


def test_adabn_gives_moved_layers_the_targets_statistics_and_leaves_the_others(backbone, images, target):
    phase = tune(None, 1, [-1, "head"], norm_statistics="moving")
    run = transfer(backbone, images, phase, finish=finish_on_target, target=target)
    before, after = backbone.state_dict(), run.backbone.state_dict()
    assert torch.equal(before["body.stem.1.running_mean"], after["body.stem.1.running_mean"])
    batch = torch.from_numpy(np.stack([backbone.preprocess(picture) for picture, _ in target]))
    with torch.no_grad():
        maps = run.backbone.body["stage1"][0](run.backbone.until("stem")(batch))
    assert torch.allclose(after["body.stage1.1.running_mean"], maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(after["body.stage1.1.running_var"], maps.var(dim=(0, 2, 3)), rtol=1e-3)
    assert run.strategy["finish"] == "finish_on_target"


def test_adabn_refuses_a_training_in_which_no_statistics_moved(backbone, images, target):
    with pytest.raises(ValueError, match=r"'adabn' .* none of the 2 norm layers' moved .* norm_statistics='moving'"):
        transfer(backbone, images, tune(None, 1), finish=finish_on_target, target=target)


def test_a_score_keeps_objectives_and_none_with_one_is_painted(backbone):
    strategy = tl.Strategy([tl.Phase(["head"], None, objective=ByMean()), tune(Mcc(1.0), 2)], name="both")
    score = make_score(strategy, backbone, 10)
    assert make_strategy(score) == strategy
    for phases in (strategy.phases[:1], strategy.phases[1:], (tl.Phase(["head"], None), *strategy.phases[1:])):
        with pytest.raises(ValueError, match="can be painted; this one has more"):
            make_painted_score(make_score(tl.Strategy(phases), backbone, 10), backbone.stages)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("loss_weight", [-1, float("nan"), float("inf"), True, "much"])
def test_a_loss_weight_that_is_none_is_refused(kind, loss_weight):
    with pytest.raises((ValueError, TypeError), match=r"loss_weight: .*, expected a number of at least 0"):
        kind(loss_weight)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="temperature: 0, expected a number above 0"):
        Mcc(1.0, temperature=0)


def test_an_objective_that_is_no_number_stops_with_the_step(backbone, images, target):
    with pytest.raises(TrainingError, match="the loss is nan at step 1 of 9"):
        transfer(backbone, images, tune(Constant(float("nan"))), target=target)


def test_training_pictures_of_the_target_have_no_labels(backbone, images, target):
    seen = []
    transfer(
        backbone, images, tune(Mcc(1.0), 1), target=target, callbacks=[lambda training: seen.append(training.target)]
    )
    assert isinstance(seen[0], TrainingPictures)
    assert set(seen[0].images.labels) == {0}
    training = make_training(copy.deepcopy(backbone), nn.Linear(6, 3), tl.Strategy([tune(None)]), images)
    assert training.target is None
