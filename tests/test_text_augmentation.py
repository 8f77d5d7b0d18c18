"""Augmentation of texts: the same bits in any order, and policies of pictures and texts kept apart."""

import types

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from torch import nn

import tlkit as tl
from tlkit.strategies.ablation import augmented
from tlkit.strategies.augmentation import MIXINGS, POLICIES, TEXT_POLICIES
from tlkit.texts.words import crop_words, drop_words
from tlkit.training.batches import TrainingPictures, draw_view
from tlkit.training.precise_batch_norm import reestimate_norm_statistics
from tlkit.training.test_time_augmentation import check_views

TEXT = "one two three four five six seven eight"


def make_recipe():
    steps = {"crop": str.split, "read": lambda texts, index: texts.read(index), "check": lambda texts, *_: texts}
    return types.SimpleNamespace(noun="text", **steps)


def make_text_backbone():
    return types.SimpleNamespace(
        recipe=make_recipe(), stages=["embeddings", "layers1"], find_stage=lambda key: int(key) % 2
    )


def test_a_view_depends_on_seed_epoch_and_index_alone():
    texts = tl.load_texts([(TEXT, "a"), (TEXT.upper(), "b")])
    pictures = TrainingPictures(texts, make_recipe(), seed=3)
    views = {(epoch, index): pictures.square(index, "word_dropout", epoch) for epoch in range(6) for index in (0, 1)}
    again = TrainingPictures(texts, make_recipe(), seed=3)
    assert all(again.square(index, "word_dropout", epoch) == views[epoch, index] for epoch, index in reversed(views))
    assert views[0, 0] == drop_words(TEXT, np.random.default_rng((3, 0, 0))).split()
    assert len({" ".join(words).lower() for words in views.values()}) > 8
    assert pictures.square(0, None, 0) == TEXT.split()
    few = TrainingPictures(texts, make_recipe(), seed=3, n_views=2)
    assert few.square(0, "word_dropout", 4) == few.square(0, "word_dropout", 2) == views[0, 0]


def test_crops_come_before_dropout():
    random = np.random.default_rng((1, 2, 3))
    expected = drop_words(crop_words(TEXT, random, 0.35), random).split()
    assert draw_view(TEXT, ("word_dropout", "crop_wide"), make_recipe(), draw=(1, 2, 3)) == expected


@pytest.mark.parametrize("name", [*sorted({*POLICIES, *MIXINGS} - {*TEXT_POLICIES}), "word_dropout"])
def test_policies_of_the_other_kind_are_refused(name):
    is_text = name == "word_dropout"
    backbone, noun = (make_tiny_backbone(), "picture") if is_text else (make_text_backbone(), "text")
    strategy = augmented("fine_tune", name)
    with pytest.raises(ValueError, match=f"^augment: '{name}' is not for {noun}s, expected some of (flip|crop), crop"):
        strategy.resolve(backbone)
    with pytest.raises(ValueError, match=f"^test_time_augmentation: '{name}' is not for {noun}s, expected some of"):
        check_views(2, name, noun, "test_time_augmentation")


def test_refusal_comes_before_training():
    images = tl.load_images("styles", domain="clipart").few(2)
    for strategy in (augmented("fine_tune", "word_dropout"), augmented("wise_ft", ["flip", "word_dropout"])):
        with pytest.raises(ValueError, match="'word_dropout' is not for pictures"):
            tl.transfer(make_tiny_backbone(), images, strategy, progress=False)
    with pytest.raises(ValueError, match="'word_dropout' is not for pictures"):
        tl.compare(make_tiny_backbone(), images, ["linear_probe", augmented("lora", "word_dropout")], progress=False)
    run = tl.transfer(make_tiny_backbone(), images, "linear_probe", progress=False)
    with pytest.raises(ValueError, match="test_time_augmentation: 'word_dropout' is not for pictures"):
        run.predict(images, test_time_augmentation="word_dropout")


@pytest.mark.parametrize("name", tl.strategies.names())
def test_each_known_strategy_is_for_texts_too(name):
    tl.strategies.get(name).resolve(make_text_backbone())


def test_a_network_without_norm_layers_estimates_no_statistics():
    """Tokens can't be arranged as the batches of pictures are."""
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    pictures = types.SimpleNamespace(images=[None] * 5, batch=lambda *_: pytest.fail("a batch was read"))
    reestimate_norm_statistics(network, pictures, seed=0)
    assert not network.training
