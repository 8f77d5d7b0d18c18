"""Pictures and networks of one, four or ten channels."""

import numpy as np
import pytest
import torch
from made_pictures import encode, make_picture
from PIL import Image
from torch import nn

import tlkit as tl
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.weights.error import WeightsError
from tlkit.export.export import choose_pictures
from tlkit.images.decode import Channels, PictureError, decode_picture

COLOURS = Recipe(18, 16, "bicubic", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def make_pixels(n_channels, seed=0, shape=(40, 36)):
    return np.random.default_rng(seed).integers(0, 256, (*shape, n_channels), dtype=np.uint8)


def make_set(n_channels):
    return tl.load_images([(make_pixels(n_channels, seed), f"class {seed % 2}") for seed in range(8)])


def make_network(n_channels):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(n_channels, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    return tl.Backbone.from_module(layers, recipe=tl.backbones.make_recipe(16, n_channels=n_channels))


def test_channels_are_resized_as_colours_are():
    pixels = make_pixels(3)
    expected = COLOURS.crop(COLOURS.resize(Image.fromarray(pixels)))
    assert np.array_equal(COLOURS.crop(COLOURS.resize(Channels.of(pixels))), expected)


@pytest.mark.parametrize("n_channels", [1, 4, 10])
def test_a_run_on_other_channels_is_loaded_again(n_channels, tmp_path):
    images, backbone = make_set(n_channels), make_network(n_channels)
    strategy = tl.Strategy([tl.Phase(["all", "head"], 1, 1e-3, augment=["crop", "blur"])])
    run = tl.transfer(backbone, images, strategy, progress=False)
    run.save(tmp_path)
    assert np.array_equal(tl.load_run(tmp_path, backbone=backbone).predict(images), run.predict(images))
    values = tl.extract_features(backbone, images, progress=False, cache=False).values
    pixels = [np.asarray(images.read(row, n_channels)).reshape(40, 36, n_channels) for row in range(len(images))]
    assert all(np.array_equal(row, make_pixels(n_channels, seed)) for seed, row in enumerate(pixels))
    resized = [
        np.dstack([Image.fromarray(band).resize((16, 17), 2) for band in row.transpose(2, 0, 1)]) for row in pixels
    ]
    batch = torch.from_numpy(np.stack(resized)[:, :16].transpose(0, 3, 1, 2) / np.float32(255))
    expected = backbone((batch - 0.5) / 0.5).detach().numpy()
    assert np.abs(values - expected).max() < 1e-4 * np.abs(expected).max()


def test_pictures_of_other_channels_than_the_network_takes_are_refused():
    for images, backbone in ((make_set(10), make_network(3)), (make_set(3), make_network(4))):
        with pytest.raises(ValueError, match="channels, and the network takes"):
            tl.extract_features(backbone, images, progress=False)
    with pytest.raises(ValueError, match="augment: 'colour' changes colours, and the pictures have 4 channels"):
        phase = tl.Phase(["all", "head"], 1, 1e-3, augment="colour")
        tl.transfer(make_network(4), make_set(4), tl.Strategy([phase]), progress=False)


def test_arrays_with_other_hidden_channels_are_other_pictures():
    """Four channels are no transparency if a network takes four; cached features must not be mixed up."""
    pixels = make_pixels(4)
    changed = pixels.copy()
    changed[..., 3] = 255 - changed[..., 3]
    images = tl.load_images([(pixels, "a"), (changed, "b")])
    assert images.digest(0) != images.digest(1)
    assert np.array_equal(images.read(1, 4), changed)


def test_files_of_arrays_are_read_without_running_code(tmp_path):
    pixels = make_pixels(5)
    np.save(tmp_path / "a.npy", pixels)
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    images = tl.load_images([(tmp_path / "a.npy", "a"), (tmp_path / "a.npy", "a"), (make_pixels(5, 1), "b")])
    assert np.array_equal(images.read(0, 5), pixels)
    with pytest.raises(ValueError, match=r"broken .npy"):
        tl.load_images([(tmp_path / "b.npy", "a"), (make_pixels(5), "b")])


def test_a_first_layer_summed_over_the_colours_gives_the_features_of_gray_pictures():
    gray, colours = (tl.load_backbone("resnet18", weights=None, image_size_px=32, n_channels=n) for n in (1, 3))
    batch = torch.rand(2, 1, 32, 32)
    assert gray.recipe.mean == pytest.approx((0.449,)) and gray.recipe.n_channels == 1
    assert torch.allclose(gray(batch), colours(batch.expand(-1, 3, -1, -1)), atol=1e-4)
    weight = tl.load_backbone("resnet18", weights=None, image_size_px=32, n_channels=4).state_dict()
    first = next(name for name, value in weight.items() if value.shape[1:2] == (4,))
    expected = colours.state_dict()[first][:, [0, 1, 2, 0]] * 3 / 4
    assert torch.allclose(weight[first], expected)


def test_a_network_that_scales_colours_takes_no_other_channels():
    with pytest.raises(ValueError, match="n_channels: 4, but googlenet takes only colours"):
        tl.load_backbone("googlenet", weights=None, image_size_px=64, n_channels=4)


def test_exports_for_other_channels_are_checked_on_such_pictures(tmp_path):
    chosen = choose_pictures(make_set(4), tmp_path, 4)
    assert len(chosen) == 50 and {np.asarray(chosen.read(row, 4)).shape[2] for row in range(50)} == {4}
    assert np.array_equal(chosen.read(0, 4), make_set(4).read(0, 4))


def test_pictures_of_four_channels_are_turned_upright_and_whole():
    upright = make_picture(1, size=(40, 30)).convert("RGBA")
    upright.putalpha(make_picture(2, size=(40, 30)).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(upright.transpose(Image.Transpose.ROTATE_90), exif=exif)
    assert np.array_equal(decode_picture(data, n_channels=4), upright)
    with pytest.raises(PictureError, match="broken PNG"):
        decode_picture(data[: len(data) // 2], n_channels=4)


def test_weights_of_a_network_for_gray_pictures_are_taken(tmp_path):
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.resnet18(weights=None).eval()
        network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    torch.save(network.state_dict(), tmp_path / "gray.pth")
    settings = {"weights": tmp_path / "gray.pth", "image_size_px": 32}
    backbone = tl.load_backbone("resnet18", **settings, n_channels=1)
    batch = torch.rand(2, 1, 32, 32)
    expected = nn.Sequential(*list(network.children())[:-1])(batch).flatten(1)
    assert torch.allclose(backbone(batch), expected, atol=1e-5)
    pictures = [(make_picture(number), f"class {number % 2}") for number in range(4)]
    grays = [(picture.convert("L"), label) for picture, label in pictures]
    values = [
        tl.extract_features(backbone, tl.load_images(given), progress=False).values for given in (pictures, grays)
    ]
    assert np.array_equal(*values)
    with pytest.raises(WeightsError, match="99 of its 100 tensors fit"):
        tl.load_backbone("resnet18", **settings, n_channels=4)
