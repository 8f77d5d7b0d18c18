"""Label damage: heads asked about views, against a slow version; what is gone told from what is only new."""

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from PIL import Image

from tlkit.features.features import Features
from tlkit.heads import fit_head
from tlkit.images.files import PicturePixels
from tlkit.images.inputs import make_set
from tlkit.inspection import measure_label_damage
from tlkit.training.batches import draw_view

COLOURS = {"red": (200, 40, 40), "green": (40, 124, 40), "dark": (10, 10, 10), "light": (245, 245, 245)}


@pytest.fixture(scope="module")
def images():
    """Pictures of one colour each: red and green are equally bright, light is the negative of dark."""
    random, entries = np.random.default_rng(0), []
    for name, colour in COLOURS.items():
        for number in range(15):
            pixels = np.clip(np.array(colour) + random.integers(-9, 10, (24, 24, 3)), 0, 255).astype(np.uint8)
            entries.append((f"{name}/{number}.png", name, PicturePixels(Image.fromarray(pixels), f"{name} {number}")))
    return make_set(entries, sorted(COLOURS), "colours")


@pytest.fixture(scope="module")
def table(images):
    policies = ["flip", "gray", "invert", ["crop", "flip"]]
    return measure_label_damage(make_tiny_backbone(), images, policies, n_views=4, progress=False)


def test_what_takes_a_label_away_is_found_class_by_class(table):
    rows = table.set_index(["policy", "class"])
    assert rows.loc[("flip", "all"), ["plain", "views", "trained_on_views"]].tolist() == [1, 1, 1]
    assert rows.loc[("gray", "red"), "views"] < 1 or rows.loc[("gray", "green"), "views"] < 1
    assert rows.loc[("gray", "dark"), "views"] == rows.loc[("gray", "light"), "trained_on_views"] == 1
    for name, other in (("dark", "light"), ("light", "dark")):
        row = rows.loc[("invert", name)]
        assert (row["plain"], row["mistaken_for"]) == (1, other)
        assert 0.2 < row["views"] < 0.8, "half of the views are negatives"
        assert row["trained_on_views"] < 0.85, "nothing in the picture says which it was"
        assert row["mistaken_share"] == pytest.approx(1 - row["views"])
    assert table["policy"].unique().tolist() == ["flip", "gray", "invert", "crop + flip"]
    assert table["class"].tolist()[:5] == ["all", "dark", "green", "light", "red"]


def test_shares_are_those_of_a_slow_version(images, table):
    backbone = make_tiny_backbone()
    train, test = images.split(test_fold=0, n_folds=5)
    places = [images.names.tolist().index(name) for name in test.names]
    learn = [images.names.tolist().index(name) for name in train.names]

    def features(view):
        import torch

        rows = []
        for index in range(len(images)):
            picture = backbone.recipe.resize(images.read(index))
            drawn = picture if view is None else draw_view(picture, "invert", backbone.recipe, draw=(0, view, index))
            drawn = backbone.recipe.crop(picture) if view is None else drawn
            with torch.no_grad():
                rows.append(backbone(torch.from_numpy(backbone.recipe.to_array(drawn))[None])[0].numpy())
        return np.stack(rows)

    def fit(values, labels):
        names = np.arange(len(labels)).astype(str)
        return fit_head(Features(values, labels, images.classes, names, names, {}))

    plain, views = features(None), [features(view) for view in range(4)]
    plain_head = fit(plain[learn], train.labels)
    view_head = fit(np.concatenate([values[learn] for values in views]), np.tile(train.labels, 4))
    shares = {
        "plain": [plain_head.predict(plain[places]).argmax(1) == test.labels],
        "views": [plain_head.predict(values[places]).argmax(1) == test.labels for values in views],
        "trained_on_views": [view_head.predict(values[places]).argmax(1) == test.labels for values in views],
    }
    row = table.set_index(["policy", "class"]).loc[("invert", "all")]
    for column, right in shares.items():
        assert row[column] == pytest.approx(np.mean(right))
    assert row["n"] == len(test)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (["mixup"], "augment: 'mixup' mixes pictures"),
        ([None], "policies: contains None, which changes nothing"),
        (["flop"], "augment: 'flop'.*nearest: 'flip'"),
    ],
)
def test_what_can_not_be_measured_is_said(images, policies, said):
    with pytest.raises(ValueError, match=said):
        measure_label_damage(make_tiny_backbone(), images, policies, n_views=1, progress=False)
