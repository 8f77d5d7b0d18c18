"""The training loop: what a phase trains, what it leaves, and how it stops."""

import copy
import signal

import numpy as np
import pytest
import torch

import tlkit as tl
from tlkit.backbones.freezing import NORM_LAYERS
from tlkit.heads import fit_head
from tlkit.strategies import pictures as training_pictures
from tlkit.strategies.augmentation import POLICIES, draw_view
from tlkit.strategies.optimizing import schedule
from tlkit.strategies.parameters import apply_phase
from tlkit.strategies.pictures import TrainingPictures
from tlkit.strategies.preparing import reestimate_norm_statistics, reinitialise
from tlkit.strategies.training import TrainingError


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


def test_a_loss_that_is_not_a_number_stops_and_says_where(backbone, images):
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d+ of \d+ \(epoch \d+\): take a learning_rate"):
        transfer(backbone, images, tl.Phase(["all"], 5, 1e6), batch_size=4)


def test_a_penalty_is_added_to_the_loss(backbone, images):
    def strong_pull_back(network, start):
        return 1e4 * sum(((value - start[name]) ** 2).sum() for name, value in network.named_parameters())

    free = transfer(backbone, images, tl.Phase(["all"], 3, 1e-3))
    held = transfer(backbone, images, tl.Phase(["all"], 3, 1e-3, penalty=strong_pull_back))

    def moved(run):
        start = backbone.state_dict()
        return sum(float(((value - start[name]) ** 2).sum()) for name, value in run.backbone.state_dict().items())

    assert moved(held) < 0.5 * moved(free)


def test_a_batch_of_one_is_refused_where_norm_statistics_move(backbone, images):
    with pytest.raises(TrainingError, match="batch_size: 1 with 12 pictures makes a batch of one"):
        transfer(backbone, images, tl.Phase(["all"], 1, 1e-3, norm_statistics="moving"), batch_size=1)


def test_batches_are_of_nearly_equal_size_so_that_none_is_left_over(backbone, images, monkeypatch):
    sizes = []
    real = TrainingPictures.batch

    def watched(self, indices, policy, epoch):
        sizes.append(len(indices))
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", watched)
    transfer(backbone, images, tl.Phase(["head"], 1, 1e-3), batch_size=11, front_mib=0)
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


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    shares = [schedule(step, 50) for step in range(50)]
    assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    slow = [0.5 * (1 + np.cos(np.pi * (step - 5) / 45)) for step in range(5, 50)]
    assert shares[5:] == pytest.approx(slow)
    assert schedule(0, 1) == 1


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


def test_bad_arguments_are_named(backbone, images):
    with pytest.raises(ValueError, match="images: pictures of 1 class, expected two"):
        tl.transfer(backbone, images.select(classes="bird"), "fine_tune")
    with pytest.raises(ValueError, match="batch_size: 0, expected"):
        tl.transfer(backbone, images, "fine_tune", batch_size=0)
    with pytest.raises(ValueError, match=r"strategy: 'finetune'.*nearest: 'fine_tune'"):
        tl.transfer(backbone, images, "finetune")
