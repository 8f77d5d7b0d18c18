"""Quick convolutions: the same numbers as slow loops and the library give, only where they are meant to be taken."""

import itertools

import numpy as np
import pytest
import torch
from made_networks import make_batch
from made_training import make_training
from torch import nn

import tlkit as tl
from tlkit.backbones.freezing.measurement import measure_freezing
from tlkit.cpu import convolutions
from tlkit.cpu.convolutions import DepthwiseOnSmallMap, QuickConvolutions, convolve_points
from tlkit.strategies.strategy import Phase, Strategy
from tlkit.training.optimizer import is_bfloat16_faster


def make_maps(n_pictures, n_channels, height, width, dtype=torch.float32):
    """Return random maps, channels last, that want a gradient."""
    maps = torch.randn(n_pictures, n_channels, height, width, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return maps.contiguous(memory_format=torch.channels_last).requires_grad_()


def measure(layer, maps, quick):
    """Return a layer's output, and the gradients of its fixed weighted sum with respect to maps and parameters."""
    maps = maps.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    if quick:
        with QuickConvolutions():
            out = layer(maps)
    else:
        out = layer(maps)
    weighting = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
    return out.detach(), *torch.autograd.grad((out * weighting).sum(), [maps, *layer.parameters()])


@pytest.fixture
def taken(monkeypatch):
    """Names of the quick ways that were taken, in order."""
    names, points, apply = [], convolve_points, DepthwiseOnSmallMap.apply
    monkeypatch.setattr(convolutions, "convolve_points", lambda *values: (names.append("points"), points(*values))[1])
    monkeypatch.setattr(DepthwiseOnSmallMap, "apply", lambda *values: (names.append("depthwise"), apply(*values))[1])
    return names


@pytest.mark.parametrize(("kernel", "side"), [((5, 5), (3, 4)), ((3, 5), (2, 4)), ((7, 7), (1, 2)), ((3, 5), (1, 1))])
def test_depthwise_gradients_equal_loops_in_float64(kernel, side):
    maps = make_maps(2, 3, *side, dtype=torch.float64)
    weight = torch.randn(
        3, 1, *kernel, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    wanted = torch.randn(2, 3, *side, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    of_maps, of_weight = torch.autograd.grad(DepthwiseOnSmallMap.apply(maps, weight), (maps, weight), wanted)
    slow_maps, slow_weight = np.zeros(maps.shape), np.zeros(weight.shape)
    places = itertools.product(range(2), range(3), range(side[0]), range(side[1]), range(kernel[0]), range(kernel[1]))
    for picture, channel, y, x, row, column in places:
        from_y, from_x = y + row - kernel[0] // 2, x + column - kernel[1] // 2
        if 0 <= from_y < side[0] and 0 <= from_x < side[1]:
            slope = wanted[picture, channel, y, x].item()
            slow_maps[picture, channel, from_y, from_x] += slope * weight[channel, 0, row, column].item()
            slow_weight[channel, 0, row, column] += slope * maps[picture, channel, from_y, from_x].item()
    np.testing.assert_allclose(of_maps, slow_maps, atol=1e-12)
    np.testing.assert_allclose(of_weight, slow_weight, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "side", "name"),
    [
        (nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False), (4, 3), "depthwise"),
        (nn.Conv2d(6, 6, (3, 5), padding=(1, 2), groups=6, bias=False), (2, 4), "depthwise"),
        (nn.Conv2d(6, 9, 1, bias=False), (4, 5), "points"),
        (nn.Conv2d(6, 9, 1), (4, 5), "points"),
    ],
)
def test_layers_give_what_the_library_gives(layer, side, name, taken):
    maps = make_maps(3, 6, *side)
    quick = measure(layer, maps, quick=True)
    assert taken == [name]
    for value, library in zip(quick, measure(layer, maps, quick=False), strict=True):
        torch.testing.assert_close(value, library, atol=1e-5, rtol=1e-5)
    assert taken == [name]
    assert quick[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        (nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False), (5, 3)),  # the map is as large
        (nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False), (3, 5)),
        (nn.Conv2d(6, 6, 5, padding=2, groups=6), (4, 3)),  # a bias
        (nn.Conv2d(6, 6, 5, padding=3, groups=6, bias=False), (4, 3)),  # makes the map larger
        (nn.Conv2d(6, 6, 4, padding=2, groups=6, bias=False), (3, 3)),
        (nn.Conv2d(6, 6, 5, padding=2, groups=3, bias=False), (4, 3)),
        (nn.Conv2d(6, 12, 5, padding=2, groups=6, bias=False), (4, 3)),
        (nn.Conv2d(6, 6, 5, padding=2, stride=2, groups=6, bias=False), (4, 3)),
        (nn.Conv2d(6, 6, 5, padding=4, dilation=2, groups=6, bias=False), (4, 3)),
        (nn.Conv2d(6, 6, 5, padding="same", groups=6, bias=False), (4, 3)),
        (nn.Conv2d(6, 8, 1, groups=2), (4, 3)),
        (nn.Conv2d(6, 8, 1, stride=2), (4, 3)),
        (nn.Conv2d(6, 8, 1, padding=1), (4, 3)),
        (nn.Conv2d(6, 8, 3, padding=1), (4, 3)),
    ],
)
def test_other_layers_are_left_to_the_library(layer, side, taken):
    maps = make_maps(3, 6, *side)
    for value, library in zip(measure(layer, maps, quick=True), measure(layer, maps, quick=False), strict=True):
        assert torch.equal(value, library)
    assert not taken


@pytest.mark.parametrize(
    "change",
    [
        lambda maps: maps.double(),
        lambda maps: maps.contiguous(),
        lambda maps: maps[0],
        lambda maps: maps.repeat(1, 1, 10, 20).contiguous(memory_format=torch.channels_last),
    ],
    ids=["float64", "channels first", "one picture", "many places"],
)
def test_other_maps_are_left_to_the_library(change, taken):
    maps = change(make_maps(3, 6, 4, 3).detach()).requires_grad_()
    layer = nn.Conv2d(6, 8, 1).to(maps.dtype)
    for value, library in zip(measure(layer, maps, quick=True), measure(layer, maps, quick=False), strict=True):
        assert torch.equal(value, library)
    assert not taken


def test_a_kernel_that_is_spread_beyond_its_map_is_refused_as_by_the_library():
    layer = nn.Conv2d(6, 6, 5, padding=2, dilation=2, groups=6, bias=False)
    with pytest.raises(RuntimeError, match="can't be greater than actual input size"), QuickConvolutions():
        layer(make_maps(2, 6, 4, 4))


def test_bfloat16_is_left_to_the_library(taken):
    with torch.autocast("cpu", torch.bfloat16), QuickConvolutions():
        assert nn.Conv2d(6, 8, 1)(make_maps(3, 6, 4, 3)).dtype == torch.bfloat16
    assert not taken


def test_arguments_by_position_and_name_mean_the_same():
    maps, weight, bias = make_maps(2, 3, 4, 4), make_batch(5, 1)[:, :, :1, :1], torch.arange(5.0)
    with QuickConvolutions():
        named = torch.conv2d(input=maps, weight=weight, bias=bias, stride=2, padding=(1, 0))
        placed = torch.conv2d(maps, weight, bias, (2, 2), [1, 0])
    assert torch.equal(named, placed)
    assert torch.equal(named, torch.conv2d(maps, weight, bias, 2, (1, 0)))


@pytest.mark.slow
def test_what_foretells_a_step_takes_them_too(taken):
    backbone = tl.load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    measure_freezing(backbone, make_batch(2, 64), 3, n_rounds=1)
    assert {"depthwise", "points"} <= set(taken)
    taken.clear()
    batch = make_batch(2, 64).contiguous(memory_format=torch.channels_last)
    network = nn.Sequential(backbone.to(memory_format=torch.channels_last), nn.Linear(backbone.n_features, 3))
    is_bfloat16_faster(network, batch, torch.tensor([0, 1]))
    assert {"depthwise", "points"} <= set(taken)


def test_training_takes_them_and_prediction_does_not(taken):
    images = tl.load_images("styles", domain="clipart").few(2)
    backbone = tl.load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    head = nn.Linear(backbone.n_features, len(images.classes))
    strategy = Strategy([Phase([-2, -1, "head"], 1, 1e-3)])
    training = make_training(backbone, head, strategy, images, batch_size=len(images))
    training.run()
    # Stage 6 has maps of 2 × 2 at this size, under kernels of 5 × 5.
    assert "depthwise" in taken
    assert "points" in taken
    taken.clear()
    tl.extract_features(backbone, images, "torch", cache=False, progress=False)
    assert not taken
