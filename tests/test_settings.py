"""Settings of a training that can't be used are named before anything is computed."""

import dataclasses
import inspect
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_networks import copy_state, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.training.batches import TrainingPictures
from tlkit.training.frozen_prefix import PrefixOutputs
from tlkit.training.settings import TrainingSettings

PHASE = tl.Phase(["all"], 1, 1e-3)


@pytest.fixture(scope="module")
def images():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    return images.with_classes(["bird", "bug", "tool"]).few(4)


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.fixture
def nothing_computed(monkeypatch):
    def refuse(*arguments, **keywords):
        pytest.fail("something was computed")

    for kind in (TrainingPictures, PrefixOutputs):
        monkeypatch.setattr(kind, "__init__", refuse)


def transfer(backbone, images, strategy=None, **settings):
    return tl.transfer(backbone, images, strategy or tl.Strategy([PHASE]), progress=False, **settings)


# Words of the error, and two lists of wrong values: of the wrong kind, and out of range.
WHOLE = ("expected a whole number of at least 1", [2.0, "8", [8]], [0, -3, True])
ANY_NUMBER = ("expected a number of at least 0", [True, "0.1", None, 1j, np.array([0.1])], [-0.1, math.nan, math.inf])
SEVERAL = r"expected a list of functions, as in \[function\]"
BAD = {
    "batch_size": WHOLE,
    "micro_batch_size": WHOLE,
    "patience": WHOLE,
    "n_views": WHOLE,
    "seed": ("expected a whole number from 0 to 4294967295", [1.5, "0", None], [-1, 2**32, False]),
    "weight_decay": ANY_NUMBER,
    "frozen_prefix_mib": ANY_NUMBER,
    "checkpoint_every_s": ANY_NUMBER,
    "label_smoothing": ("expected a number from 0 to below 1", ["a", False, None], [1, 1.0, -0.1, 10]),
    "validation": ("expected a number from 0 to 0.5", [True, None], [0.6, 20, -0.2, math.nan]),
    "max_grad_norm": ("expected a number above 0", [True, "1"], [0, -1.0, math.nan, math.inf]),
    "optimizer": ("", [None, max], ["adam", "AdamW"]),
    "mixed_precision": ("expected True or False", ["fast", 1], []),
    "convert_prefix": ("expected True or False", [None, "yes", 1], []),
    "balance": ("", [True], ["weight"]),
    "callbacks": (SEVERAL, [print, None, "print"], []),
}
CASES = [
    (name, value, error, expected)
    for name, (expected, *several) in BAD.items()
    for values, error in zip(several, (TypeError, ValueError), strict=True)
    for value in values
]


@pytest.mark.parametrize(("name", "value", "error", "expected"), CASES)
@pytest.mark.usefixtures("nothing_computed")
def test_a_bad_setting_is_named_with_its_value_and_what_was_expected(backbone, images, name, value, error, expected):
    also = {"validation": 0.3} if name == "patience" else {}
    with pytest.raises(error, match=f"^{name}: .*{expected}") as caught:
        transfer(backbone, images, **{name: value} | also)
    assert repr(value) in str(caught.value)


@pytest.mark.usefixtures("nothing_computed")
def test_names_that_are_unknown_are_answered_with_the_nearest(backbone, images):
    with pytest.raises(ValueError, match="optimizer: 'adam' is unknown; nearest: 'adamw'; known: 'adamw', 'sgd'"):
        transfer(backbone, images, optimizer="adam")
    with pytest.raises(TypeError, match="precision"):
        transfer(backbone, images, precision="fast")
    with pytest.raises(ValueError, match="balance: 'weight' is unknown; nearest: 'weights'"):
        transfer(backbone, images, balance="weight")
    with pytest.raises(TypeError, match="callbacks: 'print' in the list, expected functions that take the Training"):
        transfer(backbone, images, callbacks=[print, "print"])


@pytest.mark.usefixtures("nothing_computed")
def test_patience_needs_pictures_to_judge_by(backbone, images):
    with pytest.raises(ValueError, match=r"patience: 2, but no pictures are held out; take validation=0.2"):
        transfer(backbone, images, patience=2)


@pytest.mark.usefixtures("nothing_computed")
def test_what_is_trained_and_on_what_is_checked_too(backbone, images):
    with pytest.raises(ValueError, match="images: pictures of 1 class, expected two classes or more"):
        transfer(backbone, images.select(classes="bird"))
    with pytest.raises(ValueError, match="images: pictures of 0 class"):
        transfer(backbone, images[:0])
    with pytest.raises(TypeError, match="images: a PosixPath, expected an ImageSet, as load_images"):
        transfer(backbone, Path("pictures"))
    with pytest.raises(TypeError, match="backbone: a Linear, expected a Backbone or a name"):
        transfer(nn.Linear(2, 2), images)
    with pytest.raises(ValueError, match=r"strategy: 'finetune'.*nearest: 'fine_tune'"):
        transfer(backbone, images, "finetune")
    with pytest.raises(ValueError, match=r"strategy: \[Phase.*expected a Strategy or the name of one"):
        transfer(backbone, images, [PHASE])
    with pytest.raises(ValueError, match="stage9"):
        transfer(backbone, images, tl.Strategy([tl.Phase(["stage9"], 1, 1e-3)]))
    adapting = tl.Strategy([dataclasses.replace(PHASE, objective=max)], name="adapting")
    with pytest.raises(ValueError, match="target: None, but strategy 'adapting' adapts to a target domain: give its"):
        transfer(backbone, images, adapting)
    with pytest.raises(FileNotFoundError, match=r"target: item 0 is '.*photo', which is no file: correct its path"):
        transfer(backbone, images, adapting, target="photo")
    with pytest.raises(TypeError, match="target: a int, expected an ImageSet, a path, a picture or a list"):
        transfer(backbone, images, adapting, target=5)
    with pytest.raises(ValueError, match="target: 1 pictures, expected two or more"):
        transfer(backbone, images, adapting, target=images[:1])
    with pytest.raises(ValueError, match="target: given, but strategy 'own' has no objective that uses it"):
        transfer(backbone, images, target=images)
    with pytest.raises(TypeError, match="learning_rate"):
        transfer(backbone, images, learning_rate=1e-3)


def test_numbers_of_numpy_are_taken_and_described_as_plain_ones(backbone, images):
    plain = {"seed": 3, "batch_size": 5, "micro_batch_size": 2, "weight_decay": 0.5, "label_smoothing": 0.25}
    plain |= {"max_grad_norm": 2.0, "validation": 0.5, "patience": 1, "n_views": 2, "frozen_prefix_mib": 512.0}
    kinds = {int: np.int64, float: np.float32}
    of_numpy = {name: kinds[type(value)](value) for name, value in plain.items()}
    strategy = tl.Strategy([dataclasses.replace(PHASE, augment="crop")])
    runs = [transfer(backbone, images, strategy, **settings) for settings in (plain, of_numpy)]
    described = [json.dumps([run.strategy, run.seed, run.history]) for run in runs]
    assert described[0] == described[1]
    assert {name: runs[1].strategy.get(name) for name in plain} == plain | {"seed": None}
    assert same_bits(*(copy_state(run.backbone) for run in runs))


def test_whole_numbers_and_fractions_stand_for_floats(backbone, images):
    run = transfer(backbone, images, weight_decay=0, label_smoothing=Fraction(1, 4), frozen_prefix_mib=0)
    assert [run.strategy[name] for name in ("weight_decay", "label_smoothing", "frozen_prefix_mib")] == [0.0, 0.25, 0.0]
    assert isinstance(run.strategy["label_smoothing"], float)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, -1, 1], [0, -100, 1]])
def test_a_label_outside_the_classes_makes_no_set(images, labels):
    wrong = next(label for label in labels if label not in (0, 1))
    with pytest.raises(ValueError, match=f"labels: {wrong}, expected class indices from 0 to 1"):
        dataclasses.replace(images[:3], classes=["bird", "bug"], labels=labels)


def test_transfer_has_the_settings_and_their_defaults():
    signature = inspect.signature(tl.transfer)
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingSettings)}
    given = {name: parameter.default for name, parameter in signature.parameters.items()}
    assert (
        given
        == {"backbone": inspect.Parameter.empty, "images": inspect.Parameter.empty}
        | {
            "strategy": "linear_probe",
            "target": None,
        }
        | defaults
        | {"mixed_precision": None, "device": "auto", "n_loader_workers": None}  # chosen by the device
    )
    assert list(given)[4:] == list(defaults)
