"""Each setting of a training changes the result of each strategy, or is refused by its name."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from made_networks import TINY_RECIPE, make_tiny_backbone, same_bits

import tlkit as tl
from tlkit.adaptation import methods
from tlkit.backbones.backbone import Backbone
from tlkit.strategies.strategy import adjust_phases
from tlkit.training.settings import TrainingSettings

# Another value than the default for each setting.
OTHER = {
    "batch_size": 5,
    "optimizer": "sgd",
    "weight_decay": 0.5,
    "label_smoothing": 0.3,
    "balance": "weights",
    "max_grad_norm": 1e-3,
    "validation": 0.34,
    "patience": 1,
    "n_views": 1,
    "seed": 3,
}
SAMPLING = {"balance": "sampling"}
# These change speed, memory or messages, but the result only by rounding if at all.
NEITHER = {
    "micro_batch_size": "gradient accumulation gives the same step up to rounding",
    "mixed_precision": "used only if a trial shows that it is faster",
    "device": "the same steps up to rounding, on a GPU",
    "n_loader_workers": "read ahead with the same bits",
    "frozen_prefix_mib": "the same outputs are computed once or in each epoch",
    "convert_prefix": "the same outputs are computed by another engine",
    "checkpoint": "a folder; a resumed run has the same bits",
    "checkpoint_every_s": "how often a checkpoint is written",
    "callbacks": "functions of the user",
    "progress": "a bar",
}
# The reason why the result can't depend on the seed.
DRAWS_NOTHING = "a head that is solved draws nothing"
CHANGES, REFUSED = "changes the result", "refused"
SOLVED = ("linear_probe",)
AUGMENTED = ("from_scratch",)
QUICK = ("linear_probe", "fine_tune", "discriminative")
WITHOUT_STEPS = [*(name for name in OTHER if name not in ("label_smoothing", "balance", "seed")), "micro_batch_size"]
WITHOUT_STEPS += ["mixed_precision"]


@pytest.fixture(scope="module")
def images():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    images = images.with_classes(["bird", "bug", "tool"])
    rows = [np.flatnonzero(images.labels == label)[:count] for label, count in enumerate((7, 4, 3))]
    return images[np.concatenate(rows)]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(
        "tlkit.training.precise_batch_norm.load_backbone", lambda name, weights, seed, **_: make_small_backbone(seed)
    )


def make_small_backbone(seed=0):
    """Return a tiny backbone with a third stage, which the thirds of surgical fine-tuning need."""
    backbone = make_tiny_backbone(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = {**backbone.body, "stage2": torch.nn.Sequential(torch.nn.Conv2d(6, 6, 1), torch.nn.ReLU())}
    return Backbone("tiny", stages, backbone.tail, TINY_RECIPE, backbone.provenance).eval()


def shorten(strategy, n_train):
    """Return a strategy with one or two epochs per phase and large rates, so that a few steps show."""
    planned = adjust_phases(strategy, get_backbone(), n_train)
    phases = [
        phase
        if phase.n_epochs is None
        else dataclasses.replace(
            phase, n_epochs=2, learning_rate={key: 10 * rate for key, rate in phase.learning_rate.items()}
        )
        for phase in planned.phases
    ]
    return dataclasses.replace(planned, phases=phases)


@functools.cache
def get_backbone():
    return make_small_backbone()


def train(images, strategy, **settings):
    run = tl.transfer(get_backbone(), images, shorten(strategy, len(images)), progress=False, **settings)
    return run.backbone.state_dict() | {f"head {name}": value for name, value in run.head.state_dict().items()}


def find_effect(images, strategy, before, **settings):
    """Return whether settings change the bits of a result or are refused by name; None if neither."""
    given = settings | ({"validation": 0.34} if "patience" in settings else {})
    try:
        after = train(images, strategy, **given)
    except ValueError as error:
        named = [name for name in given if str(error).startswith(f"{name}: {given[name]!r}, but strategy")]
        assert named, error
        return REFUSED
    return None if same_bits(before, after) else CHANGES


def expect(strategy, name):
    if strategy in SOLVED and name in WITHOUT_STEPS:
        return REFUSED
    return REFUSED if name == "n_views" and strategy not in AUGMENTED else CHANGES


def test_every_setting_is_in_the_table():
    assert {field.name for field in dataclasses.fields(TrainingSettings)} == {*OTHER, *NEITHER}


@pytest.mark.parametrize(
    "strategy",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in tl.strategies.names()],
)
def test_a_setting_is_applied_or_refused(images, strategy):
    known = tl.strategies.get(strategy)
    before = train(images, known)
    settings = [{name: value} for name, value in OTHER.items()] + [SAMPLING]
    found = {next(iter(each.items())): find_effect(images, known, before, **each) for each in settings}
    expected = {(name, value): expect(strategy, name) for name, value in found}
    if strategy in SOLVED:
        expected["seed", 3] = None, DRAWS_NOTHING
        found["seed", 3] = found["seed", 3], DRAWS_NOTHING
    assert found == expected


@pytest.mark.parametrize(
    "strategy",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "lora")) for name in tl.strategies.names()],
)
def test_defaults_may_be_written_out(images, strategy):
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingSettings) if field.name != "progress"}
    known = tl.strategies.get(strategy)
    assert same_bits(train(images, known), train(images, known, **defaults))


@pytest.mark.parametrize("name", WITHOUT_STEPS)
def test_a_solved_head_refuses_settings_of_steps(images, name):
    value = {"micro_batch_size": 2, "mixed_precision": True}.get(name, OTHER.get(name))
    also = {"validation": 0.34} if name == "patience" else {}
    with pytest.raises(ValueError, match=r"^(\w+): .*, but strategy 'linear_probe' .*: leave it out"):
        tl.transfer(get_backbone(), images, "linear_probe", progress=False, **{name: value}, **also)


@pytest.mark.parametrize("name", ["source_only", "coral", "priors", "mcc_self_training"])
def test_adaptation_records_what_it_applies(images, name):
    target = tl.load_images("styles", domain="photo").select(classes=images.classes).with_classes(images.classes).few(3)
    strategy = shorten(methods.get(name), len(images)) if name != "mcc_self_training" else methods.get(name)
    takes_steps = any(phase.n_epochs for phase in strategy.phases)
    if takes_steps:
        tuned = dataclasses.replace(strategy.phases[1], train=[-1], n_epochs=1, learning_rate=1e-3)
        strategy = dataclasses.replace(strategy, phases=[strategy.phases[0], tuned, strategy.phases[2]])
    run = tl.adaptation.adapt(get_backbone(), images, target, strategy, progress=False)
    assert run.strategy["balance"] == ("weights" if takes_steps else None)
    assert run.strategy["batch_size"] == (32 if takes_steps else 8)
    if name in ("coral", "priors"):
        for settings in ({"balance": "weights"}, {"label_smoothing": 0.1}, {"batch_size": 16}):
            with pytest.raises(ValueError, match=f"^{next(iter(settings))}: .* but strategy '{name}'"):
                tl.adaptation.adapt(get_backbone(), images, target, strategy, progress=False, **settings)
