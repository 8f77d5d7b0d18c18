"""The augmentation explorer and what it reads: pictures against the training's own, words, controls, failures."""

import dataclasses

import numpy as np
import pytest
import torch
from made_ablations import POLICIES, make_ablation
from made_marks import read_marks
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.summaries.augmentation import (
    AugmentationAblation,
    AugmentationChoice,
    augment_pictures,
    restore_colours,
    summarise_augmentation,
)
from tlkit.summaries.comparison import ArmChoice, summarise_arm
from tlkit.training.batches import TrainingPictures, draw_view, mix_batch
from tlkit.widgets import AugmentationExplorer


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(4)[::2]


@pytest.fixture(scope="module")
def ablation():
    return make_ablation(tl.load_images("styles", domain="clipart"))


@pytest.fixture
def explorer(images, ablation):
    return AugmentationExplorer(make_tiny_backbone(), images, ablation)


@pytest.fixture(scope="module")
def augmentations(images, ablation):
    return AugmentationAblation(make_tiny_backbone(), images, ablation)


def test_values_are_put_back_into_the_very_colours(images):
    recipe = make_tiny_backbone().recipe
    squares = [recipe.crop(recipe.resize(images.read(index))) for index in range(3)]
    shown = restore_colours(np.stack([recipe.to_array(square) for square in squares]), recipe)
    assert np.array_equal(shown, np.stack([np.asarray(square) for square in squares]))


def test_what_is_seen_is_what_a_training_draws(images):
    recipe = make_tiny_backbone().recipe
    pictures = TrainingPictures(images, recipe, 3)
    seen, shares = augment_pictures(pictures, "crop", 2)
    for index in range(len(images)):
        drawn = draw_view(recipe.resize(images.read(index)), "crop", recipe, draw=(3, 2, index))
        assert np.array_equal(seen[index], np.asarray(drawn))
    assert (shares.argmax(axis=1) == images.labels).all() and (shares.max(axis=1) == 1).all()
    seen, shares = augment_pictures(pictures, ("crop", "cutmix"), 2)
    batch, labels = pictures.batch(np.arange(len(images)), "crop", 2)
    mixed, slow = mix_batch(batch, labels, "cutmix", len(images.classes), draw=(3, 2, 0))
    assert np.array_equal(shares, slow.numpy())
    for square, values in zip(seen, mixed, strict=True):
        back = values.permute(1, 2, 0) * torch.tensor(recipe.std) + torch.tensor(recipe.mean)
        assert np.abs(square / 255 - back.numpy()).max() < 0.003


@pytest.mark.parametrize("policy", POLICIES)
def test_the_words_are_those_of_the_arm(augmentations, ablation, policy):
    summary = summarise_augmentation(augmentations, AugmentationChoice(policy, 1))
    arm = f"last_2_stages + {policy}"
    assert summary.sentence == summarise_arm(ablation, ArmChoice(arm, 5)).sentence
    assert summary.strategy == arm
    assert len(summary.captions) == len(summary.augmented) == len(summary.plain) == 6


def test_captions_say_the_shares_where_pictures_are_mixed(augmentations, images):
    summary = summarise_augmentation(augmentations, AugmentationChoice("crop + cutmix", 0))
    _, shares = augment_pictures(augmentations.pictures, ("crop", "cutmix"), 0)
    for caption, row in zip(summary.captions, shares, strict=True):
        for line in caption.split("\n"):
            name, _, number = line.partition(": ")
            assert float(number or 1) == pytest.approx(row[images.classes.index(name)], abs=0.006)
    plain = summarise_augmentation(augmentations, AugmentationChoice("none", 0))
    assert plain.captions == [images.classes[label] for label in images.labels]
    assert np.array_equal(plain.augmented, plain.plain)


def test_what_does_not_fit_is_said(images, ablation):
    backbone = make_tiny_backbone()
    with pytest.raises(ValueError, match="comparison: at 2 numbers of shots, expected one"):
        AugmentationAblation(backbone, images, make_ablation(images, (1, 5)))
    with pytest.raises(ValueError, match="expected an ImageSet of two pictures or more"):
        AugmentationAblation(backbone, images[:1], ablation)
    with pytest.raises(ValueError, match="trains for no epochs, so it augments nothing"):
        AugmentationAblation(backbone, images, dataclasses.replace(ablation, description={}))
    one = next(iter(ablation.description["strategies"].values()))
    twice = {"strategies": dict.fromkeys(ablation.description["strategies"], one)}
    with pytest.raises(ValueError, match="both augment by none, expected one each"):
        AugmentationAblation(backbone, images, dataclasses.replace(ablation, description=twice))


def test_a_point_chooses_its_policy_and_tells_its_gain(explorer, ablation):
    points = read_marks(explorer.frame)
    rows = ablation.table.set_index("strategy")
    assert len(points) == len(POLICIES) - 1  # the baseline has no gain
    for name, words in points:
        explorer.chosen = {**explorer.chosen, explorer.clicks["point"][0]: int(name.split(":")[1])}
        row = rows.loc[f"last_2_stages + {explorer.policy}"]
        interval = f"({row['gain_low']:+.2f} to {row['gain_high']:+.2f})"
        assert words == f"{explorer.policy}: {row['gain']:+.2f} {interval}, {row['verdict']}"


def test_each_picture_tells_its_name_and_what_was_drawn(explorer, images):
    explorer.policy, explorer.draw = "crop + cutmix", 3
    words = [line for _, line in read_marks(explorer.drawing)]
    classes = [images.classes[label] for label in images.labels]
    assert words[:6] == [f"{name}: {label}" for name, label in zip(images.names, classes, strict=True)]
    captions = explorer._summarise(AugmentationChoice("crop + cutmix", 3)).captions
    assert words[6:] == [f"crop + cutmix, draw 3: {', '.join(caption.splitlines())}" for caption in captions]
