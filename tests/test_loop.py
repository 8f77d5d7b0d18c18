"""The training loop: what a phase trains, what it leaves, and how it stops."""

import copy
import dataclasses
import itertools
import json
import signal

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits

import tlkit as tl
from tlkit.backbones.freezing.freeze import NORM_LAYERS
from tlkit.heads import fit_head
from tlkit.strategies.augmentation import POLICIES
from tlkit.training import batches as training_pictures
from tlkit.training.batches import TrainingPictures, draw_view
from tlkit.training.loop import TrainingError
from tlkit.training.optimizer import apply_phase
from tlkit.training.precise_batch_norm import reestimate_norm_statistics, reinitialise

pytestmark = pytest.mark.filterwarnings("ignore:images. .* were trained on")


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(4)


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


def transfer(backbone, images, *phases, **settings):
    finish = settings.pop("finish", None)
    return tl.transfer(backbone, images, tl.Strategy(list(phases), finish=finish), progress=False, **settings)


def changed_stages(before, after):
    """Names of the stages of which a parameter or buffer has other bits."""
    changed = set()
    for name, stage in before.body.items():
        other = after.body[name].state_dict()
        if any(not torch.equal(value, other[key]) for key, value in stage.state_dict().items()):
            changed.add(name)
    return changed


def test_only_the_trained_stages_change_and_frozen_ones_keep_every_bit(backbone, images):
    run = transfer(backbone, images, tl.Phase([-1, "head"], 2, 1e-2))
    assert changed_stages(backbone, run.backbone) == {"fc"}


def test_frozen_stages_keep_their_norm_statistics_while_others_move(backbone, images):
    run = transfer(backbone, images, tl.Phase(["stage4", "head"], 1, 1e-3, norm_statistics="moving"))
    assert changed_stages(backbone, run.backbone) == {"stage4"}
    moved = [
        name
        for name, value in run.backbone.body["stage4"].state_dict().items()
        if "running_mean" in name and not torch.equal(value, backbone.body["stage4"].state_dict()[name])
    ]
    assert moved


def test_frozen_norm_statistics_stay_in_tuned_stages(backbone, images):
    run = transfer(backbone, images, tl.Phase(["all"], 1, 1e-3))
    assert changed_stages(backbone, run.backbone) == set(backbone.stages)
    before, after = backbone.state_dict(), run.backbone.state_dict()
    statistics = [name for name in before if "running_" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)


@pytest.mark.parametrize("kind", ["norm", "bias"])
def test_a_kind_of_parameters_is_trained_alone(backbone, images, kind):
    run = transfer(backbone, images, tl.Phase([kind, "head"], 1, 1e-2), weight_decay=0.1)
    layers = {name for name, module in backbone.named_modules() if isinstance(module, NORM_LAYERS)}
    trained = {
        name: name.rpartition(".")[0] in layers if kind == "norm" else name.endswith("bias")
        for name, _ in backbone.named_parameters()
    }
    after = dict(run.backbone.named_parameters())
    differs = {name: not torch.equal(value, after[name]) for name, value in backbone.named_parameters()}
    assert any(trained.values())
    assert not [name for name in differs if differs[name] and not trained[name]]
    assert [name for name in differs if differs[name]]


def test_the_narrower_key_decides_the_learning_rate(backbone):
    head = torch.nn.Linear(backbone.n_features, 3)
    phase = tl.Phase(["bias", -1, "head", "all"], 1, {"bias": 5e-3, -1: 1e-3, "head": 1e-2, "all": 1e-4})
    network = copy.deepcopy(backbone)
    rates = {id(parameter): rate for rate, group in apply_phase(network, head, phase) for parameter in group}
    assert rates[id(head.weight)] == 1e-2
    assert rates[id(network.body["stem"][0][0].weight)] == 1e-4
    assert rates[id(network.body["fc"][2].weight)] == 1e-3
    assert rates[id(network.body["fc"][2].bias)] == 5e-3


def test_no_gradient_is_computed_for_what_is_not_trained(backbone):
    head = torch.nn.Linear(backbone.n_features, 3)
    network = copy.deepcopy(backbone)
    groups = apply_phase(network, head, tl.Phase([-1, "head"], 1, 1e-3))
    trained = {id(parameter) for _, group in groups for parameter in group}
    wanted = {id(parameter) for parameter in (*network.body["fc"].parameters(), *head.parameters())}
    with_gradient = {id(p) for p in (*network.parameters(), *head.parameters()) if p.requires_grad}
    assert trained == with_gradient == wanted


def test_a_later_phase_thaws_what_an_earlier_one_froze(backbone, images):
    phases = tl.Phase(["head"], 1, 1e-2), tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")
    run = transfer(backbone, images, *phases)
    before, after = backbone.state_dict(), run.backbone.state_dict()
    assert not [name for name in before if "running_mean" in name and torch.equal(before[name], after[name])]
    assert [row["epoch"] for row in run.history] == [1, 2]


def test_same_seed_same_bits_and_another_seed_others(images):
    vgg_like = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)  # it has dropout
    phase = tl.Phase(["all"], 2, 1e-3, augment="crop")
    prints = []
    for seed in (1, 1, 2):
        torch.rand(3)  # the caller's own random numbers must not matter
        prints.append(transfer(vgg_like, images, phase, seed=seed).backbone.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_training_leaves_torch_random_state_and_the_given_backbone_alone(backbone, images):
    fingerprint, state = backbone.fingerprint(), torch.random.get_rng_state()
    transfer(backbone, images, tl.Phase(["all"], 1, 1e-3, augment="flip"))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert backbone.fingerprint() == fingerprint
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_a_solved_head_is_the_logistic_head_on_frozen_features(backbone, images):
    run = transfer(backbone, images, tl.Phase(["head"], None))
    head = fit_head(tl.extract_features(backbone, images, progress=False))
    features = tl.extract_features(backbone, images, progress=False)
    assert np.allclose(run.predict(images), head.predict(features.values), atol=1e-5)
    assert run.n_steps == 0


def test_loss_falls_and_history_counts_steps(backbone, images):
    run = transfer(backbone, images, tl.Phase(["all"], 6, 3e-3), batch_size=5)
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert [row["n_steps"] for row in run.history] == [3] * 6
    assert run.n_steps == 18


def test_a_penalty_is_added_to_the_loss(backbone, images):
    def strong_pull_back(network, start):
        return 1e4 * sum(((value - start[name]) ** 2).sum() for name, value in network.named_parameters())

    free = transfer(backbone, images, tl.Phase(["all"], 3, 1e-3))
    held = transfer(backbone, images, tl.Phase(["all"], 3, 1e-3, penalty=strong_pull_back))

    def moved(run):
        start = backbone.state_dict()
        return sum(float(((value - start[name]) ** 2).sum()) for name, value in run.backbone.state_dict().items())

    assert moved(held) < 0.5 * moved(free)


def test_batches_are_of_nearly_equal_size_so_that_none_is_left_over(backbone, images, monkeypatch):
    sizes = []
    real = TrainingPictures.batch

    def watched(self, indices, policy, epoch):
        sizes.append(len(indices))
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", watched)
    transfer(backbone, images, tl.Phase(["head"], 1, 1e-3), batch_size=11, frozen_prefix_mib=0)
    assert sizes == [6, 6]


def test_ctrl_c_ends_with_what_was_reached(backbone, images, monkeypatch):
    real, calls = TrainingPictures.batch, []

    def interrupted(self, indices, policy, epoch):
        calls.append(epoch)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", interrupted)
    with pytest.warns(UserWarning, match="interrupted after 1 epochs"):
        run = transfer(backbone, images, tl.Phase(["all"], 5, 1e-3), batch_size=6)
    assert not run.completed
    assert len(run.history) == 1
    assert run.evaluate(images).accuracy >= 0
    assert changed_stages(backbone, run.backbone) == set(backbone.stages)


def test_more_pictures_than_are_kept_give_the_same_batches(images, backbone, monkeypatch):
    kept = TrainingPictures(images, backbone.recipe, 0)
    monkeypatch.setattr(training_pictures, "KEPT_PICTURES", 2)
    read_again = TrainingPictures(images, backbone.recipe, 0)
    for _ in range(2):
        batches = [pictures.batch(np.arange(5), "crop", 3)[0] for pictures in (kept, read_again)]
        assert torch.equal(*batches)
    assert len(read_again.resized) == 2


@pytest.mark.parametrize("policy", POLICIES)
def test_augmentation_repeats_by_its_draw_and_varies_without(images, backbone, policy):
    picture = backbone.recipe.resize(images.read(0))
    views, again = (
        [np.asarray(draw_view(picture, policy, backbone.recipe, draw=(0, epoch, 5))) for epoch in epochs]
        for epochs in (range(8), reversed(range(8)))
    )
    assert all(np.array_equal(a, b) for a, b in zip(views, reversed(again), strict=True))
    assert len({view.tobytes() for view in views}) > 1
    state = torch.random.get_rng_state()
    draw_view(picture, policy, backbone.recipe, draw=(1, 0, 5))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {view.shape for view in views} == {(32, 32, 3)}


def test_every_epoch_and_picture_is_augmented_anew(images, backbone):
    pictures = TrainingPictures(images[[0, 0, 1]], backbone.recipe, 0)
    views = [pictures.batch([0, 1], "crop", epoch)[0] for epoch in (0, 1)]
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[0][0], views[0][1])


def test_a_flip_is_the_mirror_image(images, backbone):
    picture = backbone.recipe.resize(images.read(0))
    plain = np.asarray(backbone.recipe.crop(picture))
    views = [draw_view(picture, "flip", backbone.recipe, draw=(0, epoch, 5)) for epoch in range(8)]
    assert {view.tobytes() for view in views} == {plain.tobytes(), np.ascontiguousarray(plain[:, ::-1]).tobytes()}


def test_reestimated_statistics_are_those_of_the_training_pictures(images):
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32, seed=3)
    pictures = TrainingPictures(images, backbone.recipe, 0)
    with torch.no_grad():
        backbone.train()(torch.randn(8, 3, 32, 32) * 100)  # statistics of other pictures, to be forgotten
    reestimate_norm_statistics(backbone, pictures, seed=0)
    first = backbone.body["stem"]
    with torch.no_grad():
        maps = first[0](pictures.batch(np.arange(len(images)), None, 0)[0])
    assert torch.allclose(first[1].running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(first[1].running_var, maps.var(dim=(0, 2, 3)), rtol=1e-4)
    assert first[1].momentum == 0.1
    assert not backbone.training


def test_from_scratch_starts_from_random_weights(backbone):
    fresh = reinitialise(backbone, seed=7)
    assert fresh.fingerprint() == tl.load_backbone(backbone.name, weights=None, image_size_px=32, seed=7).fingerprint()
    assert fresh.fingerprint() != backbone.fingerprint()
    assert fresh.image_size_px == backbone.image_size_px


def test_callbacks_are_called_once_a_step_after_the_update_and_know_the_place(images):
    told, weights = [], []

    def note(training):
        place = ["phase_index", "epoch_index", "batch_index", "step", "epoch", "n_batches"]
        place += ["frozen_prefix", "computing"]
        told.append([getattr(training, name) for name in place])
        weights.append(training.head.weight.detach().clone())

    phases = [tl.Phase(["all"], 2, 1e-2), tl.Phase(["all"], 1, 1e-2)]
    run = transfer(make_tiny_backbone(), images, *phases, batch_size=5, callbacks=[note])
    # Twelve pictures make three batches; the place says what is done, the epoch which one is being done.
    first = [[0, e, b, 3 * e + b, e, 3, None, False] for e in (0, 1) for b in (1, 2, 3)]
    assert told == first + [[1, 0, b, b, 2, 3, None, False] for b in (1, 2, 3)]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(weights))
    assert torch.equal(weights[-1], run.head.weight)
    assert run.completed


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_that_returns_true_ends_the_run_after_all_were_told(images, answer):
    told = []

    def stop(training):
        told.append("stop")
        return answer if training.step == 4 else None

    run = transfer(
        make_tiny_backbone(),
        images,
        tl.Phase(["all"], 5, 1e-2),
        batch_size=4,
        callbacks=[stop, lambda training: told.append("note")],
    )
    assert told == ["stop", "note"] * 4
    assert not run.completed
    assert [row["epoch"] for row in run.history] == [1]  # three steps; the second epoch was not ended
    assert run.evaluate(images).accuracy >= 0


@pytest.mark.parametrize("answer", [False, None, 1, "yes", [0]])
def test_no_other_answer_ends_the_run(images, answer):
    run = transfer(make_tiny_backbone(), images, tl.Phase(["all"], 1, 1e-2), callbacks=[lambda training: answer])
    assert run.completed
    assert len(run.history) == 1


def test_what_a_callback_raises_passes_and_the_given_backbone_stays(images):
    given = make_tiny_backbone()
    before, state = copy_state(given), torch.random.get_rng_state()
    error = KeyError("mine")

    def fail(training):
        if training.step == 2:
            raise error

    with pytest.raises(KeyError) as caught:
        transfer(given, images, tl.Phase(["all"], 5, 1e-2), batch_size=4, callbacks=[fail])
    assert caught.value is error
    assert same_bits(copy_state(given), before)
    assert not given.training
    assert all(value.requires_grad and value.grad is None for value in given.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_one_picture_a_class_is_enough(images):
    one = images.few(1)
    for norms in ("frozen", "moving"):
        phase = tl.Phase(["all"], 2, 1e-2, norm_statistics=norms)
        run = transfer(make_tiny_backbone(), one, phase, batch_size=8)
        assert [row["n_steps"] for row in run.history] == [1, 1]
        assert set(run.evaluate(one).predictions["picture"]) == set(one.names)


@pytest.mark.parametrize("seed", range(6))
def test_pictures_are_held_out_of_what_a_split_left(images, seed):
    # The published folds are those of the tests: of these, the training side has one less.
    train, _ = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).split()
    seen = {}
    phase = tl.Phase(["head"], 1, 1e-2)
    transfer(
        make_tiny_backbone(),
        train,
        phase,
        seed=seed,
        validation=0.2,
        frozen_prefix_mib=0,
        callbacks=[lambda training: seen.update(vars(training))],
    )
    learned, held = seen["pictures"].images, seen["validation_pictures"].images
    assert sorted([*learned.names, *held.names]) == sorted(train.names)
    assert not set(learned.groups) & set(held.groups)
    assert 0.1 < len(held) / len(train) < 0.3
    assert set(held.labels) == set(learned.labels) == set(train.labels)


def test_too_few_groups_to_hold_some_out_are_named(images):
    backbone, phase = make_tiny_backbone(), tl.Phase(["all"], 1, 1e-2)
    with pytest.raises(ValueError, match=r"validation: 0.2 holds out one of 5 folds.*12 groups, and 4 pictures in"):
        transfer(backbone, images, phase, validation=0.2)
    with pytest.raises(ValueError, match=r"validation: 0.5 holds out one of 2 folds.*1 pictures in the largest class"):
        transfer(backbone, images.few(1), phase, validation=0.5)
    one_group = dataclasses.replace(images, groups=["a"] * len(images))
    with pytest.raises(ValueError, match=r"validation: 0.5 holds out one of 2 folds.*only 1 groups"):
        transfer(backbone, one_group, phase, validation=0.5)
    a_group_a_class = dataclasses.replace(images.select(classes=["bird", "bug"]), groups=["a"] * 4 + ["b"] * 4)
    with pytest.raises(ValueError, match=r"validation: 0.5 of 8 pictures in 2 groups holds out 4 and leaves 1 of the"):
        transfer(backbone, a_group_a_class, phase, validation=0.5)
    a_group_a_class = dataclasses.replace(images, groups=["a"] * 4 + ["b"] * 4 + ["c"] * 4)
    with pytest.warns(UserWarning, match=r"validation: every picture of \w+ is held out, so this can't be learned"):
        transfer(backbone, a_group_a_class, phase, validation=0.5, seed=1)


def test_a_validation_loss_that_is_not_finite_stops(images, monkeypatch):
    real = TrainingPictures.batch

    def batch(self, indices, policy, epoch):
        values, labels = real(self, indices, policy, epoch)
        return (values * np.nan if len(self) == 6 and len(indices) == 6 else values), labels

    monkeypatch.setattr(TrainingPictures, "batch", batch)
    with pytest.raises(TrainingError, match="the validation loss is nan after epoch 1: take a learning_rate"):
        transfer(make_tiny_backbone(), images, tl.Phase(["all"], 2, 1e-2), validation=0.5, batch_size=4)


def test_a_description_that_was_read_again_repeats_the_run(images):
    phases = [
        tl.Phase([-1, "head"], 2, {-1: 1e-3, "head": 1e-2}),
        tl.Phase(["all", "head"], 2, {"all": 1e-3, "head": 5e-3}, augment="crop", norm_statistics="moving"),
    ]
    settings = {"batch_size": 4, "micro_batch_size": 3, "optimizer": "sgd", "weight_decay": 0.1, "label_smoothing": 0.1}
    settings |= {"balance": "sampling", "max_grad_norm": 1.0, "validation": 0.5, "patience": 1, "n_views": 2}
    settings |= {"frozen_prefix_mib": 0}
    run = transfer(make_tiny_backbone(), images, *phases, seed=7, **settings)
    described = json.loads(json.dumps(run.strategy, allow_nan=False))

    name, described_phases = described.pop("name"), described.pop("phases")
    strategy = tl.Strategy([tl.Phase(**phase) for phase in described_phases], name=name)
    again = tl.transfer(make_tiny_backbone(), images, strategy, seed=run.seed, progress=False, **described)
    assert again.strategy == run.strategy
    assert again.history == run.history
    assert same_bits(copy_state(again.backbone), copy_state(run.backbone))
    assert same_bits(copy_state(again.head), copy_state(run.head))
    assert described.keys() >= settings.keys()
