"""The gallery of augmented pictures and the drawing of an ablation: what stands where."""

import numpy as np
import pytest
from made_ablations import make_ablation
from made_networks import make_tiny_backbone
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.summaries.augmentation import augment_pictures
from tlkit.training.batches import TrainingPictures


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(1)


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def test_a_row_an_augmentation_a_column_a_draw(images, ax):
    policies = [None, "crop_wide", ["flip", "mixup"]]
    assert tl.plots.draw_augmentations(make_tiny_backbone(), images, policies, ax, n_draws=4, seed=5) is ax
    shown = [picture.get_array() for picture in ax.get_images()]
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 5)
    for row, augment in enumerate((None, "crop_wide", ("flip", "mixup"))):
        for draw in range(4):
            seen, _ = augment_pictures(pictures, augment, draw)
            assert np.array_equal(shown[4 * row + draw], seen[draw % 3])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "crop wide", "flip + mixup"]


def test_shares_stand_below_mixed_pictures_only(images, ax):
    tl.plots.draw_augmentations(make_tiny_backbone(), images, ["flip", "cutmix"], ax, n_draws=3)
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 0)
    assert len(texts) == 3
    for draw, text in enumerate(texts):
        _, shares = augment_pictures(pictures, "cutmix", draw)
        for line in text.split("\n"):
            name, _, number = line.partition(": ")
            assert float(number or 1) == pytest.approx(shares[draw, images.classes.index(name)], abs=0.006)
    # What is written lies below its own row, inside the axis.
    assert all(text.get_position()[1] < ax.get_ylim()[0] for text in ax.texts)


@pytest.mark.parametrize(("n_pictures", "policies"), [(0, ["flip"]), (3, [])])
def test_nothing_to_draw_is_said(images, ax, n_pictures, policies):
    with pytest.raises(ValueError, match="expected at least one of each"):
        tl.plots.draw_augmentations(make_tiny_backbone(), images[:n_pictures], policies, ax)


def test_gains_stand_at_their_places_with_verdicts_in_words(ax):
    ablation = make_ablation(tl.load_images("styles", domain="clipart"))
    assert tl.plots.draw_ablation(ablation, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["flip", "crop + cutmix", "invert"]
    rows = ablation.table.set_index("strategy").loc[
        [f"last_2_stages + {p}" for p in ("flip", "crop + cutmix", "invert")]
    ]
    assert [text.get_text() for text in ax.texts] == rows["verdict"].tolist()
    for place, (bar, row) in enumerate(zip(ax.containers, rows.itertuples(), strict=True)):
        (line, _, (segments,)) = bar
        assert line.get_xdata()[0] == pytest.approx(row.gain)
        assert line.get_ydata()[0] == place
        ends = segments.get_segments()[0]
        assert ends[:, 0].tolist() == pytest.approx([row.gain_low, row.gain_high])
    assert ax.get_xlabel() == "gain in accuracy over none"
    assert rows["verdict"].iloc[-1] == "harms" and rows["verdict"].iloc[1] == "helps"


def test_gains_are_drawn_at_one_number_of_shots(ax):
    with pytest.raises(ValueError, match="comparison: 2 numbers of shots, expected one"):
        tl.plots.draw_ablation(make_ablation(tl.load_images("styles", domain="clipart"), (1, 5)), ax)
