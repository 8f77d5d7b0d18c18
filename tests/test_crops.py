"""Squares for a network: exact ones pixel by pixel, fast ones within their tolerance."""

import numpy as np
import pytest
from made_pictures import encode, make_picture
from PIL import Image

import tlkit as tl
from tlkit.backbones.recipe import Recipe
from tlkit.features import crops as crops_module
from tlkit.features.crops import describe_decoder, read_crops
from tlkit.images.decode import PictureError
from tlkit.images.inputs import gather_pictures

RECIPE = Recipe(64, 56, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SHAPES = {"wide": (403, 301), "high": (301, 403), "square": (257, 257), "smaller than a square": (50, 40)}
RECIPES = {
    "bilinear": RECIPE,
    "bicubic": Recipe(64, 56, "bicubic", RECIPE.mean, RECIPE.std),
    "squashed": Recipe(64, 64, "bilinear", RECIPE.mean, RECIPE.std, "squash"),
    "with a border": Recipe(48, 60, "bilinear", RECIPE.mean, RECIPE.std),
}


@pytest.fixture(scope="module")
def drawings():
    """Bundled pictures, enlarged, so that a JPEG of them is reduced four times."""
    images = tl.load_images("styles")[::160]
    return [images.read(index).resize((640, 520), Image.Resampling.BICUBIC) for index in range(len(images))]


@pytest.fixture(params=["opencv", "pillow"])
def tolerance(request, monkeypatch):
    """With OpenCV, and as if it was not installed; the mean difference in levels of 255 that each may have."""
    if request.param == "pillow":
        monkeypatch.setattr(crops_module, "find_version", lambda: None)
        return 1
    pytest.importorskip("cv2")
    return 3


def write(folder, data, name="picture.jpg"):
    path = folder / name
    path.write_bytes(data)
    return gather_pictures([path])


def read_one(images, recipe, precision):
    (square,) = read_crops(images, [0], recipe, precision)
    return square


def difference(images, recipe):
    """Return the mean absolute difference of the fast from the exact square, in levels of 255."""
    fast, exact = (read_one(images, recipe, precision).astype(float) for precision in ("fast", "exact"))
    return np.abs(fast - exact).mean()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("size", SHAPES.values(), ids=SHAPES)
def test_exact_squares_are_those_of_the_recipe(tmp_path, size, recipe, format):
    images = write(tmp_path, encode(make_picture(size=size), format))
    square = read_one(images, recipe, "exact")
    side = recipe.crop_size_px
    assert square.shape == (side, side, 3) and square.dtype == np.uint8 and square.flags.c_contiguous
    assert (square == np.asarray(recipe.crop(recipe.resize(images.read(0))))).all()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("size", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_fast_squares_of_jpegs_are_within_the_tolerance(tmp_path, mode, size, recipe, tolerance):
    images = write(tmp_path, encode(make_picture(size=size).convert(mode), "JPEG", quality=90))
    square = read_one(images, recipe, "fast")
    side = recipe.crop_size_px
    assert square.shape == (side, side, 3) and square.dtype == np.uint8 and square.flags.c_contiguous
    assert difference(images, recipe) < tolerance


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fast_squares_of_drawings_are_within_the_stated_tolerance(tmp_path, drawings, interpolation, tolerance):
    # At 640 × 520 reducing by four leaves 130 for 64, by eight 65, which differs most.
    for number, drawing in enumerate(drawings):
        images = write(tmp_path, encode(drawing, "JPEG", quality=90), f"{number}.jpg")
        assert 0 < difference(images, RECIPES[interpolation]) < tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_fast_squares_are_turned_as_exact_ones_are(tmp_path, drawings, orientation, tolerance):
    exif = Image.Exif()
    exif[0x0112] = orientation
    images = write(tmp_path, encode(drawings[0], "JPEG", exif=exif, quality=90))
    assert difference(images, RECIPE) < tolerance


def test_fast_decodes_a_large_jpeg_at_a_reduced_scale(tmp_path, drawings, monkeypatch):
    monkeypatch.setattr(crops_module, "find_version", lambda: None)
    sizes, real = [], Recipe.resize_middle
    monkeypatch.setattr(
        Recipe, "resize_middle", lambda self, picture, *rest: sizes.append(picture.size) or real(self, picture, *rest)
    )
    read_one(write(tmp_path, encode(drawings[0], "JPEG")), RECIPE, "fast")
    assert sizes == [(160, 130)]


def test_opencv_decodes_a_large_jpeg_at_a_reduced_scale_and_skips_no_pixel(drawings, monkeypatch):
    cv2 = pytest.importorskip("cv2")
    flags, shapes, decode, resize = [], [], cv2.imdecode, cv2.resize
    monkeypatch.setattr(cv2, "imdecode", lambda data, flag: flags.append(flag) or decode(data, flag))
    monkeypatch.setattr(cv2, "resize", lambda array, size, **rest: shapes.append(size) or resize(array, size, **rest))
    pixels = crops_module.decode_resized(encode(drawings[0], "JPEG"), (640, 520), RECIPE, 1.25)
    assert flags == [cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION]
    assert shapes == [(156, 128), (78, 64)], "160 pixels are shrunk to 78 in one step"
    assert pixels.shape == (64, 78, 3)


@pytest.mark.parametrize("end", [-1, -2, -40])
def test_a_jpeg_without_its_end_is_left_to_the_exact_way(tmp_path, end):
    data = encode(make_picture(size=(300, 200)), "JPEG")
    assert crops_module.decode_resized(data + bytes(9), (300, 200), RECIPE, 1.25) is not None
    assert crops_module.decode_resized(data[:end], (300, 200), RECIPE, 1.25) is None


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_fast_changes_no_pixel_of_other_formats(tmp_path, format):
    assert difference(write(tmp_path, encode(make_picture(size=(300, 200)), format)), RECIPE) == 0


def test_fast_changes_no_pixel_of_a_cmyk_jpeg(tmp_path):
    data = encode(make_picture(size=(300, 200)).convert("CMYK"), "JPEG")
    assert difference(write(tmp_path, data), RECIPE) == 0


def break_jpeg(kind):
    data = encode(make_picture(size=(300, 200)), "JPEG")
    if kind == "too long":
        return encode(Image.new("RGB", (600, 10)), "JPEG")
    return {"cut": data[: len(data) // 2], "no header": data[:30], "text": b"notes " * 50, "empty": b""}[kind]


@pytest.mark.parametrize("kind", ["cut", "no header", "text", "empty", "too long"])
def test_broken_pictures_give_the_same_error_at_their_turn(tmp_path, kind):
    (tmp_path / "good.jpg").write_bytes(encode(make_picture(), "JPEG"))
    (tmp_path / "bad.jpg").write_bytes(break_jpeg(kind))
    images = gather_pictures([tmp_path / "good.jpg", tmp_path / "bad.jpg"])
    messages = []
    for precision in ("exact", "fast"):
        squares = read_crops(images, [0, 1, 0], RECIPE, precision)
        next(squares)
        with pytest.raises(PictureError) as caught:
            next(squares)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] and "bad.jpg" in messages[0]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_squares_come_in_the_order_of_the_indices(n_threads):
    images = tl.load_images("styles")[:30]
    indices = [7, 3, 3, *range(29, -1, -1)]
    squares = list(read_crops(images, indices, RECIPE, n_threads=n_threads))
    assert len(squares) == len(indices)
    for index, square in zip(indices, squares, strict=True):
        assert (square == np.asarray(RECIPE.crop(RECIPE.resize(images.read(index))))).all()


@pytest.mark.parametrize(
    ("wrong", "message"), [({"precision": "quick"}, "precision: 'quick'"), ({"n_threads": 0}, "n_threads: 0")]
)
def test_wrong_arguments_are_named_at_once(wrong, message):
    with pytest.raises(ValueError, match=message):
        read_crops(tl.load_images("styles")[:1], [0], RECIPE, **wrong)


def test_decoders_are_told_apart():
    assert describe_decoder("exact") != describe_decoder("fast")
    assert f"pillow {Image.__version__}" in describe_decoder("exact")


def test_what_opencv_decodes_is_kept_apart(monkeypatch):
    monkeypatch.setattr(crops_module, "find_version", lambda: "5.0")
    with_opencv = describe_decoder("fast"), describe_decoder("exact")
    monkeypatch.setattr(crops_module, "find_version", lambda: None)
    assert with_opencv[0] == describe_decoder("fast") + ", opencv 5.0"
    assert with_opencv[1] == describe_decoder("exact")
