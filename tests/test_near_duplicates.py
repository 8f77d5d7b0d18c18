"""Near duplicates: planted copies are found, other drawings are not; what aligning does, and what a test set shares."""

import dataclasses
import io

import numpy as np
import pytest
from made_pictures import make_picture
from PIL import Image, ImageEnhance

import tlkit as tl
from tlkit.images.inputs import gather_pictures
from tlkit.inspection import find_leaks, find_near_duplicates, measure_leak
from tlkit.inspection import leaks as costs_module
from tlkit.inspection.leaks import _draw_rows
from tlkit.inspection.picture_alignment import SIDE_PX, compare_aligned

MIRROR = Image.Transpose.FLIP_LEFT_RIGHT


def store_as_jpeg(picture, quality):
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def cut(picture, share, corner):
    width, height = picture.size
    left, top = (round(share * side * place) for side, place in zip(picture.size, corner, strict=True))
    return picture.crop((left, top, left + width - round(share * width), top + height - round(share * height)))


COPIES = {
    "jpeg": lambda picture: store_as_jpeg(picture, 30),
    "smaller": lambda picture: picture.resize((70, 70), Image.Resampling.BILINEAR),
    "squeezed": lambda picture: picture.resize((128, 112), Image.Resampling.BICUBIC),
    "cropped": lambda picture: cut(picture, 0.06, (1, 0)),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.85),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.08),
    "mirrored": lambda picture: picture.transpose(MIRROR),
    "all of it": lambda picture: store_as_jpeg(
        ImageEnhance.Brightness(cut(picture.transpose(MIRROR), 0.05, (0, 1))).enhance(0.95).resize((100, 100)), 60
    ),
}


@pytest.fixture(scope="module")
def drawings():
    return tl.load_images("styles")[::23]  # 81 pictures of all domains


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_are_all_found_and_nothing_else(drawings, kind):
    copied = gather_pictures([COPIES[kind](drawings.read(index)) for index in range(0, len(drawings), 4)])
    pairs = find_near_duplicates(copied, drawings)
    right = pairs[pairs["second"] == 4 * pairs["first"]]
    assert sorted(right["first"]) == list(range(len(copied)))
    assert (right["kind"] == "near").all()
    assert right["mirrored"].mean() == (kind in ("mirrored", "all of it"))
    assert len(pairs) == len(right)


CORNERS = [(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1)]
# By what makes them hard: places in the bundled set, and how each is copied.
HARD = {
    "thin lines, cropped": (
        [210, 372, 539, 665, 678, 699, 823, 1194, 1675, 1698, 1773],
        lambda picture, place: cut(picture, 0.08, CORNERS[place % 9]),
    ),
    "another start": ([1682], lambda picture, place: COPIES["cropped"](picture)),
    "faint": ([53, 398, 566, 990], lambda picture, place: COPIES["jpeg"](picture)),
    "burnt out in part": (
        [53, 252, 372, 535, 562, 567, 623, 771, 926, 948, 1139, 1231, 1270],
        lambda picture, place: COPIES["brighter"](picture),
    ),
}


@pytest.mark.parametrize("kind", HARD)
def test_copies_that_are_hard_to_lay_over_their_pictures_are_found_from_both_sides(kind):
    places, copy = HARD[kind]
    images = tl.load_images("styles")[places]
    copied = gather_pictures([copy(images.read(row), place) for row, place in enumerate(places)])
    for pairs in (find_near_duplicates(copied, images), find_near_duplicates(images, copied)):
        assert sorted(pairs["first"][pairs["first"] == pairs["second"]]) == list(range(len(places)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", COPIES)
def test_of_copies_of_all_bundled_pictures_all_are_found(kind):
    images = tl.load_images("styles")
    copied = gather_pictures([COPIES[kind](images.read(place)) for place in range(len(images))])
    pairs = find_near_duplicates(copied, images)
    missed = np.setdiff1d(np.arange(len(images)), pairs["first"][pairs["first"] == pairs["second"]])
    # A flower so pale that brightening burns most of it away is another picture.
    assert set(images.groups[missed]) <= ({"c:flower:magnolia_whi"} if kind == "brighter" else set())


def test_no_two_drawings_of_different_things_are_taken_for_one(drawings):
    assert find_near_duplicates(drawings).empty


@pytest.mark.slow
def test_of_all_bundled_pictures_not_one_in_a_hundred_is_flagged_outside_its_group():
    images = tl.load_images("styles")
    pairs = find_near_duplicates(images)
    strange = pairs[images.groups[pairs["first"]] != images.groups[pairs["second"]]]
    flagged = np.union1d(strange["first"], strange["second"])
    # Most of them are one drawing in two colours, which their makers' names don't tie together.
    assert 0 < len(flagged) < 0.01 * len(images)
    assert len(pairs) > len(strange)


def test_mirrored_copies_are_left_alone_where_that_is_asked(drawings):
    copied = gather_pictures([COPIES["mirrored"](drawings.read(index)) for index in (0, 8, 40)])
    assert len(find_near_duplicates(copied, drawings)) == 3
    symmetric = find_near_duplicates(copied, drawings, mirrored=False)
    assert len(symmetric) < 3


def test_the_same_file_is_found_whatever_it_shows():
    flat = np.full((20, 20, 3), 200, np.uint8)
    images = gather_pictures([flat, make_picture(1), flat, flat])
    pairs = find_near_duplicates(images)
    assert pairs[["first", "second", "kind"]].to_numpy().tolist() == [
        [0, 2, "same file"],
        [0, 3, "same file"],
        [2, 3, "same file"],
    ]
    other = find_near_duplicates(images[:2], images[1:])
    assert other[["first", "second"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 0]]
    assert find_near_duplicates(images[:1]).empty
    assert find_near_duplicates(images[:0], images).empty


def test_within_a_set_each_pair_stands_once(drawings):
    copies = [
        drawings.read(3),
        store_as_jpeg(drawings.read(3), 50),
        drawings.read(9),
        COPIES["smaller"](drawings.read(9)),
    ]
    pairs = find_near_duplicates(gather_pictures(copies))
    assert sorted(map(tuple, pairs[["first", "second"]].to_numpy())) == [(0, 1), (2, 3)]
    assert pairs["similarity"].is_monotonic_decreasing
    assert pairs["similarity"].between(0.9, 1).all()


def test_what_is_no_set_or_no_similarity_is_said(drawings):
    with pytest.raises(TypeError, match="second: a list, expected an ImageSet"):
        find_near_duplicates(drawings, [1])
    with pytest.raises(ValueError, match="min_similarity: 0, expected a number above 0 and at most 1"):
        find_near_duplicates(drawings, min_similarity=0)
    with pytest.raises(TypeError, match="train: a list"):
        find_leaks([], drawings)


def make_smooth(seed, side=SIDE_PX):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def test_aligning_finds_the_part_that_is_shown_and_an_unaligned_copy_is_another_picture():
    whole = make_smooth(0, 128)
    part = np.asarray(whole.crop((8, 5, 121, 123)).resize((64, 64), Image.Resampling.BILINEAR), np.float32)[None]
    second = np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR), np.float32)[None]
    start = np.array([[0.0, 0.0, 1.0, 1.0]])
    assert compare_aligned(part, second, start)[0] > 0.95
    other = np.asarray(make_smooth(1, 64), np.float32)[None]
    assert compare_aligned(part, other, start)[0] < 0.5
    assert compare_aligned(second, np.minimum(1.15 * second, 255), start)[0] > 0.97


def test_one_window_that_differs_is_enough():
    first = np.asarray(make_smooth(2, 64), np.float32)[None]
    second = first.copy()
    second[:, 20:44, 20:44] = 255 - second[:, 20:44, 20:44]
    whole = np.array([[0.0, 0.0, 1.0, 1.0]])
    assert compare_aligned(first, second, whole)[0] < 0.5
    both = compare_aligned(np.concatenate([first, first]), np.concatenate([second, first]), np.repeat(whole, 2, axis=0))
    assert both[1] == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module")
def sides(drawings):
    """Return (train, test) that share one group, one file and one copy."""
    train, test = drawings[:30], drawings[30:50]
    copied = gather_pictures([store_as_jpeg(drawings.read(5), 40)]).with_classes(["unlabelled"])
    copied = dataclasses.replace(copied, names=["copy.jpg"], groups=["copy"])
    test = dataclasses.replace(test, groups=[drawings.groups[2], *test.groups[1:]]) + drawings[7:8] + copied
    return train, test


def test_leaks_are_shared_groups_files_and_copies(sides, drawings):
    train, test = sides
    leaks = find_leaks(train, test)
    assert np.flatnonzero(leaks.in_train).tolist() == [2, 5, 7]
    assert np.flatnonzero(leaks.in_test).tolist() == [0, 20, 21]
    assert leaks.groups == sorted([drawings.groups[2], drawings.groups[7]])
    rows = leaks.pairs.set_index("kind")
    assert rows.loc["same file", ["train", "test"]].tolist() == [drawings.names[7], drawings.names[7]]
    assert rows.loc["near", ["train", "test"]].tolist() == [drawings.names[5], "copy.jpg"]
    assert rows.loc["same file", ["same_group", "same_class"]].tolist() == [True, True]
    assert rows.loc["near", ["same_group", "same_class"]].tolist() == [False, False]
    assert repr(leaks) == (
        "3 of 30 training pictures leak into 3 of 22 test pictures: 2 shared groups, 1 pair of the same file, "
        "1 pair of near duplicates (1 of all pairs in different groups)"
    )


def test_without_a_leak_that_is_said(drawings):
    leaks = find_leaks(drawings[:20], drawings[40:50])
    assert repr(leaks) == "No leak found: 20 training and 10 test pictures"
    with pytest.raises(ValueError, match="leaks: no training picture leaks"):
        measure_leak("efficientnet_lite0", drawings[:20], drawings[40:50], leaks)
    with pytest.raises(ValueError, match="leaks: of 20 training and 10 test pictures, expected"):
        measure_leak("efficientnet_lite0", drawings[:21], drawings[40:50], leaks)


def test_of_each_class_as_many_others_are_left_out_as_leak():
    labels = np.array([0] * 10 + [1] * 6 + [2] * 3)
    leaking = np.isin(np.arange(19), [0, 1, 10, 16, 17])
    for seed in range(3):
        rows = _draw_rows(labels, leaking, seed)
        assert np.all(np.isin(np.flatnonzero(leaking), rows))
        assert np.bincount(labels[rows]).tolist() == [8, 5, 2]  # of class 2 two leak and but one other is there
    assert not np.array_equal(_draw_rows(labels, leaking, 0), _draw_rows(labels, leaking, 1))


def test_a_leak_is_worth_what_the_leaked_pictures_add(drawings, monkeypatch):
    """Features that know each picture, and nothing of its class: only what was learned itself is labelled right."""
    random = np.random.default_rng(0)
    images = drawings.select(classes=["mammal", "vehicle"])
    train, test = images, images[::3]
    codes = {name: random.normal(size=200) for name in images.names}

    def extract(backbone, images, progress):
        values = np.array([codes[name] for name in images.names], np.float32)
        columns = images.labels, images.classes, images.names, images.groups
        return tl.Features(values, *columns, {"backbone": backbone})

    monkeypatch.setattr(costs_module, "extract_features", extract)
    cost = measure_leak("made", train, test, seeds=3)
    assert cost.accuracy_with == 1
    assert cost.accuracy_without < 0.85
    assert cost.inflation == pytest.approx(cost.accuracy_with - cost.accuracy_without)
    assert cost.low < cost.inflation < cost.high
    assert cost.right_with.shape == cost.right_without.shape == (3, len(test))
    assert (cost.n_leaked, cost.n_with) == (len(test), cost.n_without)
    assert repr(cost).startswith(f"accuracy 1.00 with the leak, {cost.accuracy_without:.2f} without: +")


def test_a_class_that_leaks_as_a_whole_is_named(drawings):
    images = drawings.select(classes=["mammal", "vehicle"])
    with pytest.raises(ValueError, match="train: every picture of 'mammal' leaks"):
        measure_leak("efficientnet_lite0", images, images.select(classes="mammal"))
