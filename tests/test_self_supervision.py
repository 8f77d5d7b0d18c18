"""Continued pretraining by SimSiam: its loss, what a phase sees and changes, and how a collapse is noticed."""

import dataclasses
import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_small_backbone, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.adaptation.losses import simsiam_loss
from tlkit.adaptation.self_supervision import SimSiam, measure_spread
from tlkit.summaries.freeze_score import make_score, make_strategy
from tlkit.training.batches import TrainingPictures, hash_digests, list_digests, order_pictures
from tlkit.training.step import TrainingError

CLASSES = ["bird", "bug", "tool"]
SMALL = SimSiam(n_outputs=12, n_hidden=4)
HEAD = tl.Phase(["head"], None)


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=CLASSES).with_classes(CLASSES).few(4)


@pytest.fixture(scope="module")
def target():
    return tl.load_images("styles", domain="sketch").select(classes=CLASSES).with_classes(CLASSES).few(3)[:7]


@pytest.fixture
def backbone():
    """Without dropout, which would draw for each view."""
    backbone = make_tiny_backbone()
    backbone.body["stage1"][3].p = 0.0
    return backbone


def pretrain(objective=SMALL, n_epochs=2, train=("all",), augment="crop", rate=1e-2, **settings):
    return tl.Phase(list(train), n_epochs, rate, augment=augment, objective=objective, **settings)


def transfer(backbone, images, *phases, **settings):
    settings = {"batch_size": 5, "progress": False} | settings
    return tl.transfer(backbone, images, tl.Strategy(list(phases), name="pretrained"), **settings)


def take_state(run):
    return copy_state(nn.ModuleDict({"backbone": run.backbone, "head": run.head}))


# --- the loss ---


def multiply(rows, matrix):
    """Return rows × matrix, both lists of lists."""
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*matrix, strict=True)] for row in rows
    ]


def loss_slowly(predictions, outputs):
    """Return the mean of -cos(prediction of one view, output of the other) over pictures and views, by loops."""
    total = 0.0
    for view in (0, 1):
        for predicted, given in zip(predictions[view], outputs[1 - view], strict=True):
            product = sum(p * z for p, z in zip(predicted, given, strict=True))
            lengths = math.sqrt(sum(p * p for p in predicted)) * math.sqrt(sum(z * z for z in given))
            total -= product / lengths
    return total / (2 * len(outputs[0]))


@pytest.fixture
def siamese():
    """Outputs (2, 5, 4) and the matrix (4, 4) of a linear predictor, float64."""
    random = np.random.default_rng(0)
    return random.normal(size=(2, 5, 4)) * [1, 3, 0.2, 1] + 0.3, random.normal(size=(4, 4))


def test_the_loss_is_the_mean_cosine_with_the_other_view(siamese):
    outputs, matrix = siamese
    predictions = [multiply(view.tolist(), matrix.tolist()) for view in outputs]
    expected = loss_slowly(predictions, outputs.tolist())
    assert simsiam_loss(
        torch.tensor(predictions, dtype=torch.float64), torch.from_numpy(outputs)
    ).item() == pytest.approx(expected, rel=1e-12)
    assert loss_slowly(outputs.tolist(), outputs[::-1].tolist()) == pytest.approx(-1)
    assert simsiam_loss(*map(torch.from_numpy, (outputs, outputs[::-1].copy()))).item() == pytest.approx(-1)


def differentiate_slowly(outputs, matrix, *, stops):
    """Return the finite differences of the loss by each output; if `stops`, the loss compares with the old outputs."""
    gradient, step = np.zeros_like(outputs), 1e-6
    for place in np.ndindex(outputs.shape):
        ends = []
        for sign in (1, -1):
            moved = outputs.copy()
            moved[place] += sign * step
            predictions = [multiply(view.tolist(), matrix.tolist()) for view in moved]
            ends.append(loss_slowly(predictions, (outputs if stops else moved).tolist()))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def test_the_gradient_passes_through_predictions_alone(siamese):
    outputs, matrix = siamese
    given = torch.from_numpy(outputs).requires_grad_()
    simsiam_loss(given @ torch.from_numpy(matrix), given).backward()
    assert np.allclose(given.grad, differentiate_slowly(outputs, matrix, stops=True), atol=1e-8)
    assert not np.allclose(given.grad, differentiate_slowly(outputs, matrix, stops=False), atol=1e-2)
    # The outputs alone get none at all.
    fixed, moved = torch.from_numpy(outputs @ matrix), torch.from_numpy(outputs).requires_grad_()
    assert not simsiam_loss(fixed, moved).requires_grad


def test_the_spread_is_one_in_all_directions_and_zero_at_one_point():
    random = np.random.default_rng(0)
    anywhere = torch.from_numpy(random.normal(size=(2, 4000, 6)))
    assert measure_spread(anywhere).item() == pytest.approx(1, abs=0.01)
    assert measure_spread(5 * anywhere).item() == pytest.approx(measure_spread(anywhere).item())
    assert measure_spread(anywhere * 1e-3 + 1).item() < 0.01
    rows = [[3.0, 4.0], [0.0, 2.0]]  # directions (0.6, 0.8) and (0, 1): standard deviations 0.3 and 0.1
    assert measure_spread(torch.tensor([rows, rows])).item() == pytest.approx(0.2 * math.sqrt(2))


# --- what a phase sees ---


@dataclasses.dataclass(frozen=True)
class Watched(SimSiam):
    """Keeps what it was given."""

    seen: list = dataclasses.field(default_factory=list, compare=False)

    def __call__(self, source, target, critic, progress):
        self.seen.append((source, target, critic))
        return super().__call__(source, target, critic, progress)


def list_views(images, backbone, indices, number):
    """Return view `number` of some pictures as a batch (n, 3, 16, 16)."""
    pictures = TrainingPictures(images, backbone.recipe, seed=0)
    return pictures.batch(indices, "crop", number)[0]


@pytest.mark.parametrize("given", [True, False])
def test_each_step_has_two_new_views_of_the_targets_pictures_or_else_the_trainings(given, backbone, images, target):
    objective = Watched(12, 4)
    settings = {"target": target} if given else {}
    transfer(backbone, images, pretrain(objective, rate=1e-12), **settings)
    learned = target if given else images
    order = [order_pictures(learned.labels, epoch, 0, None) for epoch in range(2)]
    n_steps = math.ceil(len(learned) / 5)
    batches = [(epoch, part) for epoch in range(2) for part in np.array_split(order[epoch], n_steps)]
    assert len(objective.seen) == len(batches)
    for (source, seen, _), (epoch, indices) in zip(objective.seen, batches, strict=True):
        assert source is None and seen.labels is None
        views = [list_views(learned, backbone, indices, 2 * epoch + view) for view in (0, 1)]
        assert not torch.equal(*views)
        with torch.no_grad():
            expected = torch.cat([backbone(view) for view in views])
        assert torch.allclose(seen.features, expected, atol=1e-5)


def test_labels_change_nothing_and_the_head_stays(backbone, images):
    other = dataclasses.replace(images, labels=np.roll(images.labels, 1))
    runs = [transfer(backbone, pictures, pretrain()) for pictures in (images, other)]
    states = [take_state(run) for run in runs]
    assert same_bits(*states)
    assert runs[0].history[0]["loss"] == runs[1].history[0]["loss"]
    assert not same_bits(states[0], take_state(transfer(backbone, images[1:], pretrain())))
    untrained = transfer(backbone, images, tl.Phase(["stage1"], 1, 1e-12))
    assert same_bits(copy_state(runs[0].head), copy_state(untrained.head))
    assert all(math.isnan(row["accuracy"]) for row in runs[0].history)
    # Nothing of projector and predictor is left, and all of the backbone was trained.
    assert runs[0].backbone.state_dict().keys() == backbone.state_dict().keys()
    assert {name for name, _ in backbone.named_parameters()} == set(runs[0].changed)


def test_the_trainings_own_pictures_are_as_good_as_a_target_of_them(backbone, images):
    own, given = (
        transfer(backbone, images, pretrain(), HEAD),
        transfer(backbone, images, pretrain(), HEAD, target=images),
    )
    assert same_bits(take_state(own), take_state(given))
    assert own.adapted_to == [] and given.adapted_to == list_digests(images)


def test_only_the_stages_of_the_phase_train_whether_computed_once_or_not(backbone, images, target):
    settings = {"target": target, "n_views": 4, "optimizer": "sgd", "batch_size": 7}
    phase = pretrain(n_epochs=2, train=("stage1",))
    runs = [transfer(backbone, images, phase, frozen_prefix_mib=mib, **settings) for mib in (64, 0)]
    assert [run.history[0]["frozen_prefix"] for run in runs] == ["stem", None]
    states = [take_state(run) for run in runs]
    assert all(torch.allclose(states[0][name], value, atol=1e-5) for name, value in states[1].items())
    assert all(name.startswith("body.stage1") for name in runs[0].changed) and runs[0].changed


def test_parts_of_a_batch_have_norm_statistics_of_their_own(backbone, images):
    whole, parts = (transfer(backbone, images, pretrain(), micro_batch_size=size) for size in (None, 2))
    assert parts.completed and not same_bits(take_state(whole), take_state(parts))


# --- norm layers ---


def test_norm_layers_keep_their_statistics_by_default(backbone, images):
    objective = Watched(12, 4)
    run = transfer(backbone, images, pretrain(objective), optimizer="sgd")
    before, after = backbone.state_dict(), run.backbone.state_dict()
    kept = [name for name in before if "running" in name or "tracked" in name]
    assert len(kept) == 6 and all(torch.equal(before[name], after[name]) for name in kept)
    assert not torch.equal(before["body.stem.1.weight"], after["body.stem.1.weight"])


def test_moving_norm_layers_standardise_by_both_views_together(backbone, images):
    objective = Watched(12, 4)
    phase = pretrain(objective, 1, rate=1e-12, norm_statistics="moving")
    run = transfer(backbone, images, phase, batch_size=12)
    indices = order_pictures(images.labels, 0, 0, None)
    batch = torch.cat([list_views(images, backbone, indices, view) for view in (0, 1)])
    with torch.no_grad():
        maps = backbone.body["stem"][0](batch)
        expected = backbone.train()(batch)
    assert torch.allclose(run.backbone.state_dict()["body.stem.1.running_mean"], 0.1 * maps.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(objective.seen[0][1].features, expected, atol=1e-5)


def test_projector_and_predictor_standardise_each_view_by_itself():
    random = torch.Generator().manual_seed(0)
    first, second, other = torch.randn(3, 6, 5, generator=random)
    critic = SMALL.make_critic(5, 3, seed=0).train()
    seen = []
    critic.register_forward_hook(lambda module, given, results: seen.append(results[0].detach()))
    for views in ((first, second), (first, other)):
        batch = dataclasses.make_dataclass("Batch", ["features"])(torch.cat(views))
        SMALL(None, batch, critic, 0.0)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[1], seen[3])
    assert torch.allclose(seen[0].mean(dim=0), torch.zeros(12), atol=1e-5)


# --- collapse ---


@dataclasses.dataclass(frozen=True)
class WithoutStop(SimSiam):
    """Lets the gradient pass through the outputs too, which Chen and He's figure 2 shows to collapse."""

    def __call__(self, source, target, critic, progress):
        super().__call__(source, target, critic, progress)
        (first, guess), (second, other_guess) = (critic(part) for part in target.features.chunk(2))
        pairs = ((guess, second), (other_guess, first))
        return -sum(nn.functional.cosine_similarity(*pair).mean() for pair in pairs) / 2


@pytest.mark.slow
def test_without_the_stopped_gradient_the_outputs_collapse_and_a_warning_says_so(images):
    phases = [pretrain(kind(32, 8), 40, rate=1.0) for kind in (SimSiam, WithoutStop)]
    settings = {"batch_size": 12, "optimizer": "sgd"}
    stopped = transfer(make_small_backbone(), images, phases[0], **settings)
    with pytest.warns(
        UserWarning, match=r"outputs of SimSiam have collapsed \(output_spread below 0.1\): all pictures look"
    ) as caught:
        passing = transfer(make_small_backbone(), images, phases[1], **settings)
    spreads = [[row["output_spread"] for row in run.history] for run in (stopped, passing)]
    assert min(spreads[0]) > 0.6
    assert spreads[1][-1] < 0.1
    assert caught[0].filename == __file__


# --- the training around it ---


def test_the_run_records_the_pictures_and_json_holds_it(images, target, tmp_path):
    backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
    phases = pretrain(train=(-1,), n_epochs=1), HEAD
    run = transfer(backbone, images, *phases, target=target)
    digest = hash_digests(list_digests(target))
    run.save(tmp_path)
    for one in (run, tl.load_run(tmp_path)):
        assert one.backbone.provenance["pretrained_on"] == digest
        assert "weights, seed 0, pretrained further on 7 pictures without labels" in one.backbone.provenance["source"]
    assert json.loads(json.dumps(run.strategy))["phases"][0]["objective"] == {
        "function": "SimSiam",
        "n_outputs": 12,
        "n_hidden": 4,
    }
    again = transfer(run.backbone, images, tl.Phase([-1, "head"], 1, 1e-3))
    assert "pretrained_on" not in again.backbone.provenance
    assert again.backbone.provenance["start"]["pretrained_on"] == digest
    assert "pretrained_on" not in transfer(backbone, images, tl.Phase([-1], 1, 1e-3)).backbone.provenance


def test_pictures_without_labels_may_be_a_folder(backbone, images, target, tmp_path):
    for number in range(len(target)):
        target.read(number).save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.iterdir())
    digest = hash_digests([hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files])
    runs = [transfer(backbone, images, pretrain(), target=given) for given in (tmp_path, files, target)]
    assert [run.backbone.provenance["pretrained_on"] == digest for run in runs[:2]] == [True, True]
    assert same_bits(take_state(runs[0]), take_state(runs[1])) and same_bits(take_state(runs[0]), take_state(runs[2]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"target: the folder .* holds no picture"):
        transfer(backbone, images, pretrain(), target=tmp_path / "empty")


def test_held_out_pictures_are_not_learned_from_and_choose_no_epoch(backbone, images):
    tune = tl.Phase(["head"], 2, 1e-2)
    run = transfer(backbone, images, pretrain(n_epochs=3), tune, validation=0.25, patience=1)
    digests = []
    transfer(
        backbone,
        images,
        tune,
        validation=0.25,
        callbacks=[lambda training: digests.append(list_digests(training.pictures.images))],
    )
    assert len(digests[0]) < len(images)
    assert run.backbone.provenance["pretrained_on"] == hash_digests(digests[0])
    assert ["validation_loss" in row for row in run.history] == [False, False, False, True, True]
    assert tl.inspection.summarise_training(run).table["phase"].tolist() == [1, 1, 1, 2, 2]
    assert not same_bits(copy_state(run.backbone), copy_state(backbone))


def test_ctrl_c_keeps_the_run_as_far_as_it_got(backbone, images):
    def stop(training):
        if training.step == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted after 0 epochs"):
        run = transfer(backbone, images, pretrain(), HEAD, callbacks=[stop])
    assert not run.completed and run.changed
    assert "pretrained_on" in run.backbone.provenance
    with pytest.warns(UserWarning, match="interrupted"):
        run = transfer(backbone, images, tl.Phase(["stage1"], 1, 1e-2), pretrain(), callbacks=[stop])
    assert run.changed and "pretrained_on" not in run.backbone.provenance


def test_a_score_keeps_the_objective(backbone):
    strategy = tl.Strategy([pretrain(), HEAD], name="both")
    assert make_strategy(make_score(strategy, backbone, 10)) == strategy


def test_adapt_gives_it_the_target(backbone, images, target):
    strategy = tl.Strategy([pretrain(), HEAD], name="pretrained")
    run = tl.adaptation.adapt(backbone, images, target, strategy, progress=False)
    assert run.backbone.provenance["pretrained_on"] == hash_digests(list_digests(target))


@pytest.mark.slow
def test_the_how_to_page_runs_as_it_is_printed(monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs/continued_pretraining.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    pictures = tl.load_images("styles", domain="sketch").select(classes=CLASSES).with_classes(CLASSES).few(9)
    monkeypatch.setattr(tl, "load_images", lambda source, domain: pictures)
    monkeypatch.setattr(tl, "load_backbone", lambda name, image_size_px: make_small_backbone())
    names = {}
    exec(code, names)
    learned = hash_digests(list_digests(names["train"]))
    assert names["run"].backbone.provenance["pretrained_on"] == learned
    assert {"loss", "output_spread"} <= set(names["run"].history[0])
    assert not names["run"].evaluate(names["test"]).transductive
    assert capsys.readouterr().out.count("accuracy") == 2


# --- what is refused ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": None}, "augment: None, but SimSiam compares two views of a picture: give"),
        ({"augment": "mixup"}, "'mixup' mixes labels"),
        ({"train": ("head",)}, r'train: \["head"\], but SimSiam trains what is below the head'),
    ],
)
def test_a_phase_that_it_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        pretrain(**settings)


@pytest.mark.parametrize("name", ["n_outputs", "n_hidden"])
@pytest.mark.parametrize("value", [0, 1.5, True, "many"])
def test_a_width_that_is_none_is_refused(name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name}: "):
        SimSiam(**{name: value})


def test_settings_that_it_cannot_use_are_refused(backbone, images, target):
    with pytest.raises(ValueError, match="n_views: 1, but strategy 'pretrained' compares two views of each picture"):
        transfer(backbone, images, pretrain(), n_views=1)
    with pytest.raises(ValueError, match=r"balance: 'weights', but .* leaves the labels to its objective"):
        transfer(backbone, images, pretrain(), balance="weights")
    with pytest.raises(TrainingError, match="batch_size: 1 with 12 pictures makes a batch of one"):
        transfer(backbone, images, pretrain(), batch_size=1)
    with pytest.raises(ValueError, match="target: 1 pictures, expected two or more"):
        transfer(backbone, images, pretrain(), target=target[:1])
    with pytest.raises(ValueError, match="target: None, but strategy 'pretrained' adapts"):
        transfer(
            backbone,
            images,
            pretrain(),
            tl.Phase(["all"], 1, 1e-3, objective=tl.adaptation.get("mcc").phases[1].objective),
        )
