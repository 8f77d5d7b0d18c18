"""Extraction: the right values, the same bits in any company, each picture computed once."""

import copy
import errno
import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_axes import make_backbone_of_all_axes
from made_networks import SOME_NAMES, TINY_RECIPE, make_library_pair, make_tiny_backbone
from made_pictures import make_picture, write_classes

import tlkit as tl
from tlkit.backbones.networks import find_entry
from tlkit.features import extract as extract_module
from tlkit.features import openvino_engine
from tlkit.features.engines import choose_engine, open_engine, run_in_batches
from tlkit.features.extract import extract_values
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import BATCH_SIZE

N_PICTURES = BATCH_SIZE + 3
ENGINES = ["openvino", "torch"]


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory):
    """One cache for this file, so that each network is converted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache for one test."""
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def translated():
    """Networks that were converted in this file, by their fingerprint."""
    return {}


@pytest.fixture
def n_converted(monkeypatch, translated):
    """A list that grows by one with each conversion; the same network is really converted once for all tests."""
    counted, real = [], openvino_engine.convert

    def translate(backbone, origin=None):
        counted.append(backbone.name)
        fingerprint = backbone.fingerprint()
        if fingerprint not in translated:
            translated[fingerprint] = real(backbone)
        return translated[fingerprint]

    monkeypatch.setattr(openvino_engine, "convert", translate)
    return counted


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return tl.load_images(write_classes(folder, {"bird": 5, "bug": N_PICTURES - 5}))


def extract(backbone, images, **options):
    return tl.extract_features(backbone, images, **{"progress": False, "cache": False} | options)


def run(engine, backbone, squares, stage=None, pooled=True):
    network = FrozenNetwork.of(backbone)
    ready = open_engine(engine, network, network.output(stage, pooled), "exact")
    return np.concatenate(list(run_in_batches(ready, iter(squares))))


def make_squares(n_pictures, side):
    return [np.asarray(make_picture(number, (side, side))) for number in range(n_pictures)]


def compute_eagerly(backbone, arrays, stage=None):
    """Run the network in torch, without any of the engines' arrangements."""
    with torch.no_grad():
        return (backbone.until(stage) if stage else backbone)(torch.from_numpy(np.stack(arrays))).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME_NAMES)
def test_both_engines_agree_with_torch_and_do_not_care_for_order_or_company(name):
    backbone, _, _ = make_library_pair(find_entry(name), 64)
    squares = make_squares(N_PICTURES, 64)
    eager = compute_eagerly(backbone, [backbone.recipe.to_array(square) for square in squares])
    for engine in ENGINES:
        values = run(engine, backbone, squares)
        assert values.dtype == np.float32
        assert np.abs(values - eager).max() <= 1e-4 * np.abs(eager).max(), engine
        order = np.random.default_rng(0).permutation(N_PICTURES)
        assert np.array_equal(run(engine, backbone, [squares[i] for i in order]), values[order]), engine
        assert np.array_equal(run(engine, backbone, [squares[9], squares[3]]), values[[9, 3]]), engine


@pytest.mark.parametrize(
    ("name", "side"),
    [
        pytest.param("efficientnet_lite0", 64, marks=pytest.mark.slow),
        pytest.param("densenet121", 64, marks=pytest.mark.slow),
        pytest.param("googlenet", 64, marks=pytest.mark.slow),
        pytest.param("swin_t", 64, marks=pytest.mark.slow),
        pytest.param("vit_b_16", 224, marks=pytest.mark.exhaustive),
    ],
)
def test_every_stage_is_given_pooled_and_as_maps(name, side, own_cache, n_converted):
    backbone, _, _ = make_library_pair(find_entry(name), side)
    squares = make_squares(2, side)
    arrays = [backbone.recipe.to_array(square) for square in squares]
    for stage in backbone.stages:
        eager = compute_eagerly(backbone, arrays, stage)
        for engine in ENGINES:
            own = run(engine, backbone, squares, stage, pooled=None)
            assert own.shape == eager.shape
            assert np.abs(own - eager).max() <= 1e-4 * np.abs(eager).max(), (stage, engine)
        channels_last = name == "swin_t"
        if channels_last:
            eager = eager.transpose(0, 3, 1, 2)
        pooled = eager.mean(axis=1) if eager.ndim == 3 else eager.mean(axis=(2, 3))
        for engine in ENGINES:
            values = run(engine, backbone, squares, stage)
            assert np.abs(values - pooled).max() <= 1e-4 * np.abs(pooled).max(), (stage, engine)
            if eager.ndim == 4:
                maps = run(engine, backbone, squares, stage, pooled=False)
                assert maps.shape == eager.shape
                assert np.abs(maps - eager).max() <= 1e-4 * np.abs(eager).max(), (stage, engine)
    assert len(n_converted) == 1, "one conversion serves all stages"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_stages_own_order_of_axes_is_given_and_kept_apart_from_maps(engine, images, own_cache, n_converted):
    backbone = make_backbone_of_all_axes()
    arrays = [backbone.preprocess(picture) for picture, _ in images]
    shapes = {"maps": (4, 8, 8), "places": (4, 4, 6), "tokens": (16, 6), "last": (5,)}
    for stage, shape in shapes.items():
        eager = compute_eagerly(backbone, arrays, stage)
        for _ in ("computed", "kept"):
            values, _ = extract_values(backbone, images, engine, "exact", stage, None, cache=True, progress=False)
            assert values.shape == (N_PICTURES, *shape)
            assert np.abs(values - eager).max() <= 1e-5, stage
    maps = extract(backbone, images, engine=engine, stage="places", pooled=False, cache=True).values
    own, _ = extract_values(backbone, images, engine, "exact", "places", None, cache=True, progress=False)
    assert np.array_equal(maps, own.transpose(0, 3, 1, 2))


def test_what_a_report_raises_ends_it_and_what_was_computed_is_kept(images, own_cache, n_preprocessed):
    told = []

    def report(n_pictures):
        told.append(n_pictures)
        if len(told) == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        extract(make_tiny_backbone(), images, engine="torch", cache=True, report=report)
    n_preprocessed.clear()
    extract(make_tiny_backbone(), images, engine="torch", cache=True, report=report)
    assert told == [BATCH_SIZE, N_PICTURES - BATCH_SIZE]
    assert len(n_preprocessed) == N_PICTURES - BATCH_SIZE


@pytest.mark.slow
def test_openvino_is_asked_for_float32_whatever_the_processor_offers(monkeypatch):
    openvino = openvino_engine.import_openvino()

    asked, real = [], openvino.Core.compile_model

    def compile_model(self, model, device, settings):
        asked.append(settings)
        return real(self, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    run("openvino", make_tiny_backbone(), make_squares(1, 16))
    assert {settings["INFERENCE_PRECISION_HINT"] for settings in asked} == {"f32"}


def test_features_are_the_networks_output_with_the_images_labels(images):
    backbone = make_tiny_backbone()
    features = extract(backbone, images)
    expected = compute_eagerly(backbone, [backbone.preprocess(picture) for picture, _ in images])
    assert features.values.shape == (N_PICTURES, 6)
    assert features.values.dtype == np.float32
    assert np.abs(features.values - expected).max() <= 1e-5
    assert np.array_equal(features.labels, images.labels)
    assert features.classes == images.classes
    assert np.array_equal(features.names, images.names)
    assert np.array_equal(features.groups, images.groups)
    assert features.provenance["backbone"] == "tiny"
    assert features.provenance["fingerprint"] == backbone.fingerprint()
    assert features.provenance["engine"].startswith("openvino 20")
    assert "tiny" in repr(features)


@pytest.mark.parametrize("pooled", ["no", None, 1])
def test_a_switch_is_true_or_false(images, pooled):
    with pytest.raises(TypeError, match=f"pooled: {pooled!r}, expected True or False"):
        extract(make_tiny_backbone(), images, pooled=pooled)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_network_is_left_in_its_mode_and_computes_in_evaluation(engine, images):
    backbone = make_tiny_backbone()
    expected = extract(backbone, images, engine=engine).values
    backbone.train()
    backbone.body["stage1"][1].eval()
    modes = [module.training for module in backbone.modules()]
    fingerprint = backbone.fingerprint()
    assert np.array_equal(extract(backbone, images, engine=engine).values, expected)
    assert [module.training for module in backbone.modules()] == modes
    assert backbone.fingerprint() == fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_freezing_changes_no_bit(engine, images, tmp_path, monkeypatch):
    expected = extract(make_tiny_backbone(), images, engine=engine).values
    frozen = tl.freeze(make_tiny_backbone(), up_to="stem")
    frozen.train()
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "another"))  # so that the frozen network itself is converted
    assert np.array_equal(extract(frozen, images, engine=engine).values, expected)


def test_a_picture_that_stands_twice_is_computed_once(images, n_preprocessed):
    twice = images[[0, 1, 0, 1, 1]]
    features = extract(make_tiny_backbone(), twice)
    assert len(n_preprocessed) == 2
    assert np.array_equal(features.values[[0, 1]], features.values[[2, 3]])
    assert np.array_equal(features.values, extract(make_tiny_backbone(), images).values[[0, 1, 0, 1, 1]])


@pytest.mark.parametrize("cache", [True, False])
def test_an_empty_set_has_no_features_of_the_right_width(cache, images):
    features = extract(make_tiny_backbone(), images[:0], cache=cache)
    assert features.values.shape == (0, 6)
    assert features.values.dtype == np.float32
    assert features.classes == images.classes


def test_a_network_may_be_named(images, monkeypatch):
    from tlkit.backbones import loader

    wanted = []

    def load_backbone(name, weights, image_size_px):
        wanted.append(name)
        return make_tiny_backbone()

    monkeypatch.setattr(loader, "load_backbone", load_backbone)
    assert extract("resnet18", images).values.shape == (N_PICTURES, 6)
    assert wanted == ["resnet18"]


def test_auto_depends_only_on_what_is_installed(monkeypatch):
    assert choose_engine("auto") == "openvino"
    assert choose_engine("torch") == "torch"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_engine("auto") == "torch"
    with pytest.raises(ValueError, match=r"engine: 'openvino' is not installed: run `pip install openvino`, or take"):
        choose_engine("openvino")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"engine": "onnx"}, ValueError, r"engine: 'onnx' is unknown; known: 'auto', 'cuda', 'openvino', 'torch'"),
        ({"precision": "half"}, ValueError, r"precision: 'half' is unknown; known: 'exact', 'fast'"),
        ({"engine": "cuda"}, ValueError, r"engine: 'cuda' needs an NVIDIA GPU that torch can use.*take engine='auto'"),
        ({"stage": "stage9"}, ValueError, r"stage: 'stage9' is not a stage of tiny.*nearest: 'stage1'"),
        ({"stage": -3}, ValueError, r"stage: -3 is not a stage of tiny, nor -1 to -2"),
        ({"backbone": torch.nn.Linear(2, 2)}, TypeError, r"backbone: a Linear, expected a Backbone.*load_backbone"),
        ({"backbone": "resnet81"}, ValueError, r"nearest: 'resnet18'"),
        ({"images": "clipart"}, FileNotFoundError, r"images: item 0 is .*clipart., which is no file"),
    ],
)
def test_bad_arguments_are_answered_and_nothing_is_written(options, kind, words, images, own_cache):
    with pytest.raises(kind, match=words):
        tl.extract_features(**{"backbone": make_tiny_backbone(), "images": images, "progress": False} | options)
    assert not own_cache.exists()


def test_a_picture_that_can_not_be_read_is_named_and_nothing_is_kept(own_cache, tmp_path):
    images = tl.load_images(write_classes(tmp_path / "pictures", {"bird": 2, "bug": 2}))
    (tmp_path / "pictures" / "bug" / "1.png").write_bytes(b"no picture any more")
    backbone = make_tiny_backbone()
    backbone.train()
    with pytest.raises(ValueError, match=r"bug.1\.png"):
        extract(backbone, images, engine="torch", cache=True)
    assert backbone.training
    assert not [path for path in own_cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "name",
    ["squeezenet1_1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("efficientnet_lite0", "swin_t"))],
)
def test_features_computed_behind_a_stage_have_the_same_bits(name, images, own_cache, monkeypatch):
    backbone, _, _ = make_library_pair(find_entry(name), 64)
    plain = extract(backbone, images, engine="openvino").values
    request = backbone, images, "openvino", "exact"
    for stage in {backbone.stages[place] for place in (0, -3, -2)}:
        maps, _ = extract_values(*request, stage, None, cache=False)
        reported = []
        values, key = extract_values(*request, None, True, start=stage, report=reported.append)
        assert np.array_equal(values, plain), stage
        assert sum(reported) == len(images)
        assert key == extract_values(*request, None, True)[1]
        monkeypatch.setattr(extract_module, "open_engine", None)  # both are kept
        assert np.array_equal(extract_values(*request, stage, None)[0], maps)
        assert np.array_equal(extract_values(*request, None, True)[0], plain)
        monkeypatch.undo()
        monkeypatch.setenv("TLKIT_CACHE_DIR", str(own_cache / stage))


def test_if_the_rest_of_a_network_gave_other_bits_the_whole_is_run(images, own_cache, monkeypatch):
    backbone = make_tiny_backbone()
    plain, real = extract(backbone, images, engine="openvino").values, extract_module.open_engine
    monkeypatch.setattr(extract_module, "open_engine", lambda *args: distort(real(*args)) if args[4:] else real(*args))
    values, _ = extract_values(backbone, images, "openvino", "exact", None, True, start=backbone.stages[0])
    assert np.array_equal(values, plain)


def test_outputs_of_a_stage_that_are_too_large_are_not_computed_first(images, own_cache, monkeypatch):
    backbone = make_tiny_backbone()
    monkeypatch.setattr(extract_module, "_MAX_BYTES_IN_MEMORY", 1)
    opened, real = [], extract_module.open_engine
    monkeypatch.setattr(extract_module, "open_engine", lambda *args: opened.append(args) or real(*args))
    extract_values(backbone, images[:2], "openvino", "exact", None, True, start=backbone.stages[0])
    assert len(opened) == 1


def distort(engine):
    """Return an engine whose results differ in the last digits."""
    return SimpleNamespace(
        batch_size=engine.batch_size, run=lambda batches: (each * 1.000001 for each in engine.run(batches))
    )


def tune(backbone, stage):
    """Return a copy of a network whose stage, and only this one, has other weights."""
    tuned = copy.deepcopy(backbone)
    with torch.no_grad():
        for value in tuned.body[stage].parameters():
            value.mul_(1.01)
    return tuned


@pytest.mark.parametrize("name", ["squeezenet1_1", pytest.param("efficientnet_lite0", marks=pytest.mark.slow)])
def test_a_tuned_network_takes_its_first_stages_from_the_conversion_of_its_origin(name, own_cache, monkeypatch):
    backbone, _, _ = make_library_pair(find_entry(name), 64)
    batch = np.stack(make_squares(BATCH_SIZE, 64)).transpose(0, 3, 1, 2).astype(np.float32) / 255
    openvino_engine.read_converted(FrozenNetwork.of(backbone))
    n_layers, export = [], torch.export.export
    monkeypatch.setattr(
        torch.export,
        "export",
        lambda layers, *rest, **kept: n_layers.append(len(layers)) or export(layers, *rest, **kept),
    )
    for index in (0, 1, len(backbone.stages) - 1):
        tuned = tune(backbone, backbone.stages[index])
        whole = openvino_engine.convert(tuned)
        joined = openvino_engine.convert(tuned, FrozenNetwork.of(backbone))
        assert n_layers.pop() == len(backbone.stages) + 1 - index
        compile_model, exact = openvino_engine.open_core().compile_model, {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = [compile_model(each, "CPU", exact) for each in (whole, joined)]
        for one, other in zip(*(each([batch]).values() for each in compiled), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.slow
def test_a_network_is_converted_once_and_gives_the_same_bits_from_the_disk(images, own_cache, n_converted):
    backbone = make_tiny_backbone()
    first, second = (extract(backbone, images).values for _ in range(2))
    assert len(n_converted) == 1
    assert np.array_equal(first, second)


@pytest.mark.slow
def test_the_converted_network_is_never_another_ones(images, own_cache, n_converted):
    for other in (make_tiny_backbone(), make_tiny_backbone(seed=1), make_tiny_backbone(recipe=TINY_RECIPE.at(20))):
        expected = compute_eagerly(other, [other.preprocess(picture) for picture, _ in images])
        assert np.abs(extract(other, images).values - expected).max() <= 1e-5
    assert len(n_converted) == 3


@pytest.mark.parametrize(
    "suffix", [".bin", *(pytest.param(end, marks=pytest.mark.slow) for end in (".xml", ".sha256"))]
)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "missing"])
def test_a_network_is_converted_again_where_a_file_is_damaged(suffix, damage, images, own_cache, n_converted):
    backbone = make_tiny_backbone()
    expected = extract(backbone, images).values
    (path,) = own_cache.rglob(f"*{suffix}")
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        content[len(content) // 2] ^= 0x40
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "truncated" else 0])
    for _ in range(2):
        assert np.array_equal(extract(backbone, images).values, expected)
        assert len(n_converted) == 2


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("Can't open bin file")])
def test_a_converted_network_that_can_not_be_kept_costs_no_features(
    failure, images, own_cache, n_converted, monkeypatch
):
    openvino = openvino_engine.import_openvino()

    def fail(converted, path, **options):
        path.with_suffix(".bin").write_bytes(b"a part")
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(openvino, "save_model", fail)
        with pytest.warns(UserWarning, match=r"the converted network can't be kept in .*make room there"):
            values = extract(make_tiny_backbone(), images).values
    assert not list((own_cache / "converted").iterdir())
    assert np.array_equal(values, extract(make_tiny_backbone(), images).values)


STATES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference mode": torch.inference_mode,
    "default device": lambda: torch.device("meta"),
    "NumPy's errors": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_states_of_the_user_neither_change_features_nor_what_is_kept(engine, images, own_cache):
    plain = extract(make_tiny_backbone(), images, engine=engine).values
    for name, state in STATES.items():
        shutil.rmtree(own_cache, ignore_errors=True)
        backbone = make_tiny_backbone()
        with state():
            values = extract(backbone, images, engine=engine, cache=True).values
        assert np.array_equal(values, plain), name
        shutil.rmtree(own_cache / "features")
        assert np.array_equal(extract(backbone, images, engine=engine).values, plain), f"converted in {name}"


@pytest.mark.parametrize("scale", [float("nan"), 1e38])
@pytest.mark.parametrize("path", ["body.stem.1.running_var", "body.stage1.1.weight"])
def test_a_network_of_nan_or_overflowing_values_is_refused_and_not_kept(scale, path, images, own_cache):
    backbone = make_tiny_backbone()
    backbone.get_parameter(path).data.fill_(scale) if "weight" in path else backbone.get_buffer(path).fill_(-scale)
    backbone.body["stage1"][1].bias.data.fill_(3e38)
    with pytest.raises(ValueError, match=r"backbone: tiny computes NaN or infinite values in (stem|stage1).*weights"):
        extract(backbone, images, engine="openvino", cache=True)
    assert not list(own_cache.glob("converted/*.xml"))


def test_a_conversion_that_computes_something_else_is_refused(images, own_cache, monkeypatch):
    backbone = make_tiny_backbone()
    backbone.register_forward_hook(lambda module, inputs, output: output + 1)  # the stages don't show it
    with pytest.raises(
        ValueError, match=r"engine: 'openvino' computes other values than torch in its features of tiny"
    ):
        extract(backbone, images, engine="openvino")
    expected = extract(make_tiny_backbone(), images, engine="torch").values + 1
    assert np.array_equal(extract(backbone, images, engine="torch").values, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_that_no_fingerprint_covers_is_computed_each_time(engine, images, own_cache):
    backbone = make_tiny_backbone()
    extract(backbone, images, engine=engine, cache=True)
    before = sorted(own_cache.rglob("*"))
    hook = backbone.body["stem"].register_forward_hook(lambda module, inputs, output: output * 2)
    doubled = extract(backbone, images, engine=engine, cache=True).values
    hook.remove()
    plain = extract(backbone, images, engine=engine, cache=True).values
    assert not np.allclose(doubled, plain)
    backbone.body["stem"].forward = lambda batch: type(backbone.body["stem"]).forward(backbone.body["stem"], batch) * 2
    again = extract(backbone, images, engine=engine, cache=True).values
    assert np.allclose(again, doubled)
    assert sorted(own_cache.rglob("*")) == before


def test_a_kept_network_is_read_though_its_time_of_use_can_not_be_set(images, own_cache, n_converted, monkeypatch):
    extract(make_tiny_backbone(), images, engine="openvino")
    n_converted.clear()

    def refuse(*arguments, **keywords):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "touch", refuse)
    for _ in range(2):
        extract(make_tiny_backbone(), images, engine="openvino")
    assert n_converted == []


def test_large_features_that_find_no_room_are_an_error_that_names_the_disk(images, own_cache, monkeypatch):
    monkeypatch.setattr(extract_module, "_MAX_BYTES_IN_MEMORY", 100)
    expected = extract(make_tiny_backbone(), images).values
    assert isinstance(expected.base, np.memmap)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=200))
        with pytest.raises(
            OSError, match=r"the features \(11, 6\) take 0.00 GiB in .*cache.*TLKIT_CACHE_DIR"
        ) as caught:
            extract(make_tiny_backbone(), images)
        assert caught.value.errno == errno.ENOSPC

    def refuse(*arguments):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(OSError, match="Disk quota exceeded: the features"):
        extract(make_tiny_backbone(), images)
