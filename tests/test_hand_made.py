"""Features that no network learned: the right shapes and colours, and far better than chance."""

import numpy as np
import pytest
from made_pictures import make_picture, write_classes
from PIL import Image
from skimage.feature import hog

import tlkit as tl
from tlkit.features.hand_made import extract_hand_made

N_COLOURS = 4**3
N_SHAPES = 5 * 5 * 2 * 2 * 9  # blocks of 2 × 2 cells with 9 directions, on the 6 × 6 cells of 96 px


@pytest.fixture
def save_and_load(tmp_path):
    def load(*pictures):
        for number, picture in enumerate(pictures):
            folder = tmp_path / f"class{number % 2}"
            folder.mkdir(exist_ok=True)
            picture.save(folder / f"{number}.png")
        return tl.load_images(tmp_path)

    return load


def test_one_row_a_picture_with_both_halves_of_length_one(tmp_path):
    images = tl.load_images(write_classes(tmp_path, {"bird": 3, "bug": 2}))
    features = extract_hand_made(images)
    assert features.values.shape == (5, N_SHAPES + N_COLOURS)
    assert features.values.dtype == np.float32
    for half in (features.values[:, :N_SHAPES], features.values[:, N_SHAPES:]):
        assert np.linalg.norm(half, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert np.array_equal(features.labels, images.labels)
    assert features.classes == ["bird", "bug"]
    assert np.array_equal(features.names, images.names)
    assert features.provenance["backbone"] == "hand_made"
    assert np.array_equal(extract_hand_made(images).values, features.values)


def test_colours_are_counted_as_by_hand(save_and_load):
    picture = make_picture(5, (96, 96))
    picture.paste((255, 0, 0), (0, 0, 96, 48))
    values = extract_hand_made(save_and_load(picture, make_picture(6))).values[0, N_SHAPES:]
    counts = np.zeros((4, 4, 4))
    for red, green, blue in picture.get_flattened_data():
        counts[red // 64, green // 64, blue // 64] += 1
    assert counts[3, 0, 0] >= 96 * 48
    assert values == pytest.approx(np.sqrt(counts.ravel() / 96**2), abs=1e-6)


def test_shapes_are_histograms_of_gradients(save_and_load):
    picture = make_picture(7, (96, 96))
    values = extract_hand_made(save_and_load(picture, make_picture(6))).values[0, :N_SHAPES]
    expected = hog(np.asarray(picture.convert("L")), 9, (16, 16), (2, 2))
    assert values == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_turning_a_picture_changes_its_shapes_and_not_its_colours(save_and_load):
    picture = make_picture(8, (96, 96))
    first, second = extract_hand_made(save_and_load(picture, picture.transpose(Image.Transpose.ROTATE_90))).values
    assert np.abs(first[N_SHAPES:] - second[N_SHAPES:]).max() < 1e-6
    assert np.abs(first[:N_SHAPES] - second[:N_SHAPES]).max() > 0.01


@pytest.mark.filterwarnings("ignore:.*pictures of one colour throughout")
def test_a_picture_of_one_colour_has_no_shapes_and_no_nan(save_and_load):
    black, white = (Image.new("RGB", (50, 50), colour) for colour in ("black", "white"))
    values = extract_hand_made(save_and_load(black, white)).values
    assert not values[:, :N_SHAPES].any()
    assert values[:, N_SHAPES:].argmax(axis=1).tolist() == [0, N_COLOURS - 1]
    assert np.array_equal(values.max(axis=1), [1, 1])


@pytest.mark.filterwarnings("ignore:.*pictures of one colour throughout")
def test_any_size_of_picture_gives_the_width_of_its_size_argument(save_and_load):
    images = save_and_load(make_picture(1, (300, 31)), make_picture(2, (1, 1)))
    assert extract_hand_made(images, 32).values.shape == (2, 1 * 4 * 9 + N_COLOURS)
    assert extract_hand_made(images[:0], 32).values.shape == (0, 1 * 4 * 9 + N_COLOURS)


@pytest.mark.parametrize("image_size_px", [31, 0, -5, True])
def test_a_size_without_a_block_of_cells_is_refused(image_size_px, save_and_load):
    images = save_and_load(make_picture(1), make_picture(2))
    with pytest.raises(ValueError, match=rf"image_size_px: {image_size_px}, expected 32 or more"):
        extract_hand_made(images, image_size_px)


def test_it_tells_clip_art_apart_better_than_chance():
    images = tl.load_images("styles", domain="clipart").few(10)
    train, test = images.split(test_fold=0)
    head = tl.fit_head(extract_hand_made(train), "ridge")
    assert head.score(extract_hand_made(test)) > 2 / 14
