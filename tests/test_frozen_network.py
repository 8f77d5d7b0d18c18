"""Networks by name: a converted network runs without torch, and is never taken for another one."""

import json
import subprocess
import sys

import numpy as np
import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.backbones.weights.hashes import known_sha256
from tlkit.features import frozen_network
from tlkit.features.frozen_network import FrozenNetwork, find_spatial_axes

LITE = "efficientnet_lite0"
WITHOUT_TORCH = f"""
import sys, numpy, tlkit as tl
images = tl.load_images("styles", domain="clipart").few(1)
features = tl.extract_features("{LITE}", images, progress=False, cache=False)
stage = tl.extract_features("{LITE}", images[:2], progress=False, cache=False, stage=-2)
head = tl.fit_head(features, "prototype")
print(sorted({{"torch", "torchvision", "timm", "matplotlib", "pandas"}} & set(sys.modules)))
numpy.savez(sys.argv[1], values=features.values, stage=stage.values)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def list_records(cache):
    return list((cache / "converted").glob("*.json"))


@pytest.mark.slow
def test_a_network_that_was_converted_runs_without_torch(tmp_path):
    images = tl.load_images("styles", domain="clipart").few(1)
    expected = tl.extract_features(LITE, images, progress=False, cache=False).values
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "values.npz")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.stdout.strip() == "[]", process.stderr
    with np.load(tmp_path / "values.npz") as content:
        assert np.array_equal(content["values"], expected)
        assert content["stage"].shape == (2, 320)


def test_what_is_remembered_is_what_the_backbone_says(cache):
    fresh = FrozenNetwork.named(LITE, image_size_px=64)
    assert len(list_records(cache)) == 1
    remembered = FrozenNetwork.named(LITE, image_size_px=64)
    backbone = tl.load_backbone(LITE, image_size_px=64)
    assert "backbone" not in vars(remembered), "it is loaded when it must run, not before"
    for network in (fresh, remembered):
        assert (network.name, network.fingerprint) == (LITE, backbone.fingerprint())
        assert (network.recipe, network.stages) == (backbone.recipe, backbone.stages)
        assert network.output(None, True).shape == (1280,)
        assert network.output("stage3", False).shape == (40, 8, 8)
    assert remembered.backbone.fingerprint() == remembered.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"shapes": 1}', "\xff"])
def test_a_damaged_record_is_written_anew(damage, cache):
    expected = FrozenNetwork.named(LITE, image_size_px=64).fingerprint
    (path,) = list_records(cache)
    whole = path.read_bytes()
    path.write_bytes(damage.encode("latin-1"))
    assert FrozenNetwork.named(LITE, image_size_px=64).fingerprint == expected
    assert json.loads(path.read_bytes()) == json.loads(whole)


@pytest.mark.slow
def test_other_weights_sizes_and_versions_are_other_records(cache, monkeypatch):
    FrozenNetwork.named(LITE, image_size_px=64)
    FrozenNetwork.named(LITE, image_size_px=96)
    assert len(list_records(cache)) == 2
    real = frozen_network.importlib.metadata.version
    with monkeypatch.context() as patch:
        patch.setattr(frozen_network.importlib.metadata, "version", lambda package: real(package) + ".1")
        FrozenNetwork.named(LITE, image_size_px=96)
    assert len(list_records(cache)) == 3
    with monkeypatch.context() as patch:  # the file of the weights was written to since
        patch.setattr(frozen_network, "known_sha256", lambda path: "0" * 64 if known_sha256(path) else None)
        FrozenNetwork.named(LITE, image_size_px=96)
    assert len(list_records(cache)) == 4


def test_random_weights_and_unknown_names_are_not_remembered(cache):
    assert FrozenNetwork.named(LITE, None, 64).stages
    with pytest.raises(ValueError, match=r"nearest: 'resnet18'"):
        FrozenNetwork.named("resnet81")
    assert not list_records(cache)


def test_a_map_is_asked_only_where_there_is_one():
    shapes = {"stem": (1, 50, 768), None: (1, 768)}
    network = FrozenNetwork("made up", "0", make_tiny_backbone().recipe, ("stem",), shapes.get, None)
    assert network.output("stem", True).shape == (768,)
    with pytest.raises(ValueError, match=r"pooled: False, but stem of made up gives 50 × 768 numbers.*pooled=True"):
        network.output("stem", False)
    with pytest.raises(ValueError, match=r"pooled: False, but stem"):
        network.output(None, False)


def test_without_a_stage_maps_are_those_of_the_last():
    network = FrozenNetwork.of(make_tiny_backbone())
    assert network.output(None, False) == network.output("stage1", False)
    assert network.output(None, False).shape == (6, 5, 5)


def test_a_map_as_wide_as_it_has_channels_is_taken_channels_first():
    assert find_spatial_axes((1, 7, 7, 7)) == (2, 3)
