"""Networks in ONNX files, cut at a tensor."""

import dataclasses

import numpy as np
import onnx
import onnx2torch
import pytest
import torch
from onnx import helper, numpy_helper

import tlkit as tl

RECIPE = tl.backbones.make_recipe(16)
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w1": RANDOM.normal(size=(8, 3, 3, 3)),
    "w2": RANDOM.normal(size=(6, 8, 3, 3)),
    "w3": RANDOM.normal(size=(6, 4)),
    "size": np.array([1, 6], np.int64),
}


@pytest.fixture
def path(tmp_path):
    """Return a file of two convolutions and a classifier, for one picture at a time."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "size"], ["features"]),
        helper.make_node("MatMul", ["features", "w3"], ["scores"]),
    ]
    values = [
        helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", (1, 3, 16, 16)), ("scores", (1, 4)))
    ]
    tensors = [
        numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), name)
        for name, value in WEIGHTS.items()
    ]
    graph = helper.make_graph(nodes, "tiny", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def compute_features(batch):
    """Return the tensor "features" of a batch, computed by torch."""
    first, second = (torch.from_numpy(WEIGHTS[name]).float() for name in ("w1", "w2"))
    maps = torch.nn.functional.conv2d(torch.nn.functional.conv2d(batch, first).relu(), second).relu()
    return maps.mean((2, 3))


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_other_files_are_named(tmp_path, content):
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"name: .*bad\.onnx can't be read as ONNX .*: export or download it again"):
        tl.load_backbone(tmp_path / "bad.onnx", recipe=RECIPE)


def test_a_network_of_several_inputs_is_named(path):
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("mask", 1, (1, 4)))
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"name: tiny\.onnx has 2 inputs \(x, mask\), expected one"):
        tl.load_backbone(path, recipe=RECIPE)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_file_gives_the_features_at_its_cut(path, is_frozen, monkeypatch, tmp_path):
    images, batch = tl.load_images("styles", domain="photo").few(1), torch.randn(3, 3, 16, 16)
    if is_frozen:
        monkeypatch.setattr(onnx2torch, "convert", lambda model: 1 / 0)
        with pytest.warns(UserWarning, match=r"tiny.onnx is computed by onnxruntime and stays frozen"):
            backbone = tl.load_backbone(path, cut="features", recipe=RECIPE)
    else:
        backbone = tl.load_backbone(path, cut="features", recipe=RECIPE)
        assert len(backbone.stages) == 2
    assert torch.allclose(backbone(batch), compute_features(batch), atol=1e-4)
    strategy = tl.Strategy([tl.Phase(["all", "head"], 1, 1e-3)], name="tune")
    if is_frozen:
        with pytest.raises(ValueError, match=r"strategy: trains .* but tiny is a frozen ONNX network"):
            tl.transfer(backbone, images, strategy, progress=False)
        return
    run = tl.transfer(backbone, images, strategy, progress=False)
    assert run.changed
    run.save(tmp_path / "run")
    with pytest.raises(ValueError, match=r"backbone: None, .* backbone='tiny.onnx'"):
        tl.load_run(tmp_path / "run")
    assert np.array_equal(tl.load_run(tmp_path / "run", backbone=str(path)).predict(images), run.predict(images))


def test_frozen_features_are_those_of_torch(path, monkeypatch):
    images = tl.load_images("styles", domain="photo").few(1)
    converted = tl.load_backbone(path, cut="features", recipe=RECIPE)
    monkeypatch.setattr(onnx2torch, "convert", lambda model: 1 / 0)
    with pytest.warns(UserWarning, match="stays frozen"):
        frozen = tl.load_backbone(path, cut="features", recipe=RECIPE)
    values = tl.extract_features(frozen, images, progress=False, cache=False).values
    expected = tl.extract_features(converted, images, progress=False, cache=False).values
    assert np.abs(values - expected).max() < 1e-4 * np.abs(expected).max()
    assert frozen.fingerprint() != converted.fingerprint() and len(frozen.fingerprint()) == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"cut": "feature"},
            r"cut: 'feature' is no tensor of tiny.onnx .* the last are 'scores', 'features', .* nearest",
        ),
        ({"recipe": None}, "recipe: None, but an ONNX file doesn't state its preprocessing"),
        (
            {"recipe": dataclasses.replace(RECIPE, mean=(0.5,) * 4, std=(0.5,) * 4)},
            "recipe: tiny.onnx fails for a picture",
        ),
    ],
)
def test_a_wrong_use_is_refused_with_a_remedy(path, settings, message):
    with pytest.raises(ValueError, match=message):
        tl.load_backbone(path, **({"recipe": RECIPE} | settings))


def test_a_cut_is_for_files():
    with pytest.raises(ValueError, match="cut: 'x', but 'resnet18' is no ONNX file"):
        tl.load_backbone("resnet18", weights=None, cut="x")
