"""ONNX exports: the preprocessing in the graph is the recipe's own, and so are probabilities and rejections."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made_networks import make_tiny_backbone
from made_pictures import make_picture, write_classes
from PIL import Image

import tlkit as tl
from tlkit.backbones.recipe import Recipe
from tlkit.export import onnx_graph
from tlkit.export.onnx_graph import _prepare, halve_weights, make_graph

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
RECIPES = [
    Recipe(64, 56, "bicubic", MEAN, STD),
    Recipe(37, 32, "bilinear", MEAN, STD),
    Recipe(32, 32, "bicubic", MEAN, STD, "squash"),
    Recipe(24, 33, "bicubic", MEAN, STD),  # smaller than the crop: a black border
    Recipe(20, 33, "bilinear", MEAN, STD, "squash"),
]
SIZES = [(1, 1), (50, 1), (1, 50), (3, 1), (300, 100), (101, 33), (1999, 1501), (64, 48), (224, 224), (225, 400)]
# Pillow resizes a few pictures down first, then across, and rounds in between.
SIZES_DOWN_FIRST = [(33, 97), (138, 371), (100, 300)]


def compute(model, picture):
    """Return all outputs of an ONNX model for a PIL picture."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"picture": np.asarray(picture)})


def find_differences(recipe, size):
    """Return the differences (n,) of a graph's preprocessing and the recipe's, in levels of 255, on noise."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    (crop,) = compute(_prepare(recipe), noise)
    difference = crop[0] - recipe(Image.fromarray(noise))
    return np.abs(difference * np.array(recipe.std)[:, None, None] * 255).ravel()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.interpolation} {recipe.resize_size_px}")
def test_the_preprocessing_is_the_recipe_s_own(recipe):
    for size in SIZES:
        differences = find_differences(recipe, size)
        assert differences.max() < 1.001, size
        assert (differences > 0.5).mean() < 0.01, size
    for size in SIZES_DOWN_FIRST:  # noise is the worst case
        differences = find_differences(recipe, size)
        assert differences.max() < 16 and differences.mean() < 0.5, size


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="kind: the network takes 4 channels, expected 3"):
        _prepare(Recipe(32, 32, "bilinear", (0.5,) * 4, (0.5,) * 4))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tl.load_images(write_classes(tmp_path_factory.mktemp("pictures") / "pets", {"cat": 12, "dog": 12}))


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    # Of a tuned network, no faster form is made for predictions, which would take seconds.
    run = tl.transfer(make_tiny_backbone(), images, tl.Strategy([tl.Phase(["all"], 1, 1e-3)]), progress=False)
    others = tl.load_images(write_classes(tmp_path_factory.mktemp("others") / "pets", {"cat": 12, "dog": 12}, 50))
    with pytest.warns(UserWarning, match="class"):
        run.fit_rejection(others, 0.1)
    return run


@pytest.fixture(scope="module")
def graph(run):
    return make_graph(run)


@pytest.mark.parametrize("stored", ["float32", "int16"])
def test_probabilities_and_familiarity_are_the_run_s(run, graph, images, stored):
    others = [make_picture(number, (7 + number, 40)) for number in range(100, 120)]
    others += [Image.new("RGB", (30, 20), colour) for colour in ("white", "black", "red", "lime", "blue", "gray")]
    model = graph if stored == "float32" else halve_weights(graph)
    found = [compute(model, picture) for picture in others]
    assert [output.name for output in model.graph.output] == ["probabilities", "familiarity"]
    expected = run.predict(others)
    assert np.abs(np.concatenate([row for row, _ in found]) - expected).max() < 0.01
    values = tl.extract_features(run.backbone, others, engine="torch", progress=False).values
    familiarity = np.concatenate([value for _, value in found])
    expected = run.rejection.familiarity(values)
    assert familiarity == pytest.approx(expected, rel=0.02 if stored == "float32" else 0.05)
    assert 0 < (expected < run.rejection.find_threshold()).sum() < len(expected)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "mobilenet_v3_small", "resnet18", "timm:vit_tiny_patch16_224", "densenet121"]
)
def test_networks_of_all_kinds_have_a_counterpart(name, images, tmp_path):
    backbone = tl.load_backbone(name, weights=None, image_size_px=224 if "vit" in name else 64)
    run = tl.transfer(backbone, images, "linear_probe", progress=False)
    assert run.export(tmp_path / "onnx", "onnx", images)["largest_difference"] <= 0.01


class Reader(torch.nn.Module):
    """Reads the patches of a picture one after another."""

    def __init__(self):
        super().__init__()
        self.patches, self.gru = torch.nn.Conv2d(3, 16, 8, 8), torch.nn.GRU(16, 8, batch_first=True)

    def forward(self, batch):
        return self.gru(self.patches(batch).flatten(2).transpose(1, 2))[0][:, -1]


def test_a_recurrent_network_is_exported_without_a_word(images, tmp_path):  # warnings are errors
    backbone = tl.Backbone.from_module(Reader(), recipe=tl.backbones.make_recipe(32))
    run = tl.transfer(backbone, images, "linear_probe", progress=False)
    facts = run.export(tmp_path / "onnx", "onnx", images, progress=False)
    assert facts["largest_difference"] <= 0.01


def test_a_model_that_its_runtime_can_not_compute_is_refused(images):
    text = """<ir_version: 10, opset_import: ["": 20]> rows (uint8[h, w, 3] picture) => (uint8[w, 3] row)
        <int64 index = {9999}> { row = Gather <axis = 0> (picture, index) }"""
    content = onnx.parser.parse_model(text).SerializeToString()
    with pytest.raises(ValueError, match=r"kind: onnxruntime can't compute the model .*9999.*: take kind='openvino'"):
        onnx_graph.run_graph(content, images[:1])


def test_half_the_bytes_hold_large_weights_within_a_step():
    values = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32) * np.geomspace(1e-6, 1e6, 20)[:, None]
    values[3] = 0
    values = values.astype(np.float32)
    tensors = {"large": values, "few": values[:3, :3], "flat": values.ravel(), "directions": values}
    made = [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()]
    outputs = [onnx.helper.make_tensor_value_info("copy", onnx.TensorProto.FLOAT, values.shape)]
    nodes = [onnx.helper.make_node("Identity", ["large"], ["copy"])]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "test", [], outputs, made), ir_version=10)
    half = halve_weights(model)
    kinds = {tensor.name: onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in half.graph.initializer}
    kept = dict.fromkeys(("few", "flat", "directions", "large.steps"), "FLOAT")
    assert kinds == {"large.whole": "INT16"} | kept
    assert [tensor.name for tensor in model.graph.initializer] == list(tensors)
    session = onnxruntime.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
    (copy,) = session.run(None, {})
    steps = np.abs(values).max(axis=1, keepdims=True) / 32_767
    assert (np.abs(copy - values) <= 0.501 * steps).all() and (copy != values).any()


def test_a_file_holds_classes_recipe_rejection_and_card(run, graph, images, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "make_graph", lambda run: graph)
    facts = run.export(tmp_path / "onnx", "onnx", images)
    assert facts["n_checked"] == 50 and facts["n_disagreements"] == 0 and facts["largest_difference"] < 1e-3
    assert facts["checked_in"] == f"onnxruntime {onnxruntime.__version__}"
    model = onnx.load(tmp_path / "onnx" / "model.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["classes"]) == ["cat", "dog"]
    assert json.loads(metadata["recipe"])["crop_size_px"] == 16
    assert json.loads(metadata["rejection"])["default_share"] == facts["rejection"]["default_share"] == 0.1
    card, hash_of_it = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8").split("<!-- SHA-256 of all above")
    assert metadata["card"] == card and hash_of_it.count("\n") == 1


def test_what_has_no_counterpart_is_refused_in_one_line(run, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise RuntimeError("step 1 of 3") from NotImplementedError("no counterpart of aten::odd\nand much more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(
        ValueError, match=r"^kind: tiny can't be expressed in ONNX \(no counterpart of aten::odd\): .*$"
    ):
        run.export(tmp_path / "onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_one_line_that_names_the_extra(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModuleNotFoundError, match=r'needs onnxscript, .* installed: pip install "tlkit\[onnx\]"$'):
        run.export(tmp_path / "onnx", "onnx")
    assert list(tmp_path.iterdir()) == []
