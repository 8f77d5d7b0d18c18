"""Where a training runs, batches that are read ahead of it, and outputs of frozen stages that are kept on a GPU."""

import threading

import numpy as np
import pytest
import torch
from made_networks import make_small_backbone, make_tiny_backbone, same_bits

import tlkit as tl
from tlkit.adaptation.source_free import SourceHypothesisTransfer
from tlkit.adaptation.trained_objectives import Dann
from tlkit.images.decode import PictureError
from tlkit.training import devices, frozen_prefix
from tlkit.training.batches import TrainingPictures
from tlkit.training.devices import choose_device, choose_frozen_engine, choose_speed, hold_on_gpu
from tlkit.training.frozen_prefix import PLAIN, PrefixOutputs

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU that torch can use")
WHOLE = tl.Phase(["all"], 2, 1e-3, augment=["crop", "colour"], norm_statistics="moving")


@pytest.fixture(scope="module")
def images():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    return images.with_classes(["bird", "bug", "tool"]).few(6)


@pytest.fixture
def gpu(monkeypatch):
    """Make tlkit believe that there is a GPU, for choices that compute nothing."""
    monkeypatch.setattr(devices, "has_gpu", lambda: True)


def train(images, phases, **settings):
    return tl.transfer(make_tiny_backbone(), images, tl.Strategy(phases), progress=False, **settings)


def test_the_device_is_a_gpu_if_there_is_one(gpu):
    backbone = make_tiny_backbone()
    assert [choose_device(name, backbone) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert choose_device("auto", backbone.to("meta")) == "meta"  # where the user has put it
    assert choose_frozen_engine(torch.device("cpu")) == "torch" and choose_frozen_engine(torch.device("cuda")) == "auto"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_the_cpu(images):
    backbone = make_tiny_backbone()
    assert choose_device("auto", backbone) == "cpu" and choose_frozen_engine(torch.device("cpu")) == "auto"
    with pytest.raises(ValueError, match="device: 'cuda' needs an NVIDIA GPU that torch can use, and there is none"):
        train(images, [WHOLE], device="cuda")
    assert same_bits(*(train(images, [WHOLE], **given).backbone.state_dict() for given in ({"device": "cpu"}, {})))


@pytest.mark.parametrize("device", ["gpu", "", "cuda:7"])
def test_unknown_devices_are_refused(device, images):
    with pytest.raises(ValueError, match=r"device: .* known: 'auto', 'cpu', 'cuda'"):
        train(images, [WHOLE], device=device)


def test_workers_and_mixed_precision_are_on_by_default_on_a_gpu_only():
    n_workers, mixed = choose_speed("cuda", True, None, None)
    assert 0 <= n_workers <= 8 and mixed is True
    assert choose_speed("cpu", True, None, None) == (0, False)
    assert choose_speed("cuda", False, None, None) == (0, False)  # no steps
    assert choose_speed("cuda", True, 3, False) == (3, False)


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2"])
def test_other_numbers_of_workers_are_refused(workers, images):
    with pytest.raises((TypeError, ValueError), match="n_loader_workers: "):
        train(images, [WHOLE], n_loader_workers=workers)
    with pytest.raises(ValueError, match="n_loader_workers: 2, but strategy 'linear_probe' takes no steps"):
        tl.transfer(make_tiny_backbone(), images, n_loader_workers=2)


STRATEGIES = {
    "augmented": ({}, [WHOLE]),
    "mixed pictures": ({"micro_batch_size": 3}, [tl.Phase(["all"], 2, 1e-3, augment=["crop", "cutmix"])]),
    "micro-batches": ({"micro_batch_size": 3, "n_views": 2}, [tl.Phase(["stage1", "head"], 3, 1e-3, augment="crop")]),
    "validation": ({"validation": 0.4, "patience": 1}, [tl.Phase(["head"], 2, 1e-2), WHOLE]),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_loader_workers_give_the_same_bits(name, images):
    settings, phases = STRATEGIES[name]
    alone, ahead = (train(images, phases, n_loader_workers=number, **settings) for number in (0, 3))
    for part in ("backbone", "head"):
        assert same_bits(*(getattr(run, part).state_dict() for run in (alone, ahead)))
    assert repr(alone.history) == repr(ahead.history)  # NaN too
    assert "n_loader_workers" not in alone.strategy and ahead.strategy["n_loader_workers"] == 3
    assert "device" not in alone.strategy


TARGETED = {
    "adversarial": tl.Phase(["stage1", "head"], 2, 1e-2, augment="flip", objective=Dann(1.0, n_hidden=4)),
    "without the source": tl.Phase([-1], 2, 1e-2, objective=SourceHypothesisTransfer(0.3)),
    "two views": tl.Phase(
        ["all"],
        2,
        1e-2,
        augment="crop",
        objective=tl.adaptation.SimSiam(n_outputs=8, n_hidden=4),
        norm_statistics="moving",
    ),
}


@pytest.mark.parametrize("name", TARGETED)
def test_pictures_of_a_target_are_read_ahead_too(name, images):
    target = tl.load_images("styles", domain="sketch").select(classes=["bird", "bug", "tool"])
    target = target.with_classes(["bird", "bug", "tool"]).few(4)
    phases = [TARGETED[name], tl.Phase(["head"], 1, 1e-2)]
    runs = [train(images, phases, target=target, micro_batch_size=4, n_loader_workers=number) for number in (0, 2)]
    assert same_bits(*(run.backbone.state_dict() for run in runs))
    assert repr(runs[0].history) == repr(runs[1].history)


def test_workers_read_in_advance_and_end_with_the_training(images, monkeypatch):
    readers = set()
    plain = TrainingPictures.batch
    monkeypatch.setattr(
        TrainingPictures,
        "batch",
        lambda self, *request: readers.add(threading.current_thread().name) or plain(self, *request),
    )
    train(images, [WHOLE], n_loader_workers=2)
    assert readers and all(name.startswith("tlkit-ahead") for name in readers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tlkit-ahead")]
    train(images, [WHOLE], n_loader_workers=2, callbacks=[lambda training: True])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tlkit-ahead")]


def test_an_error_in_a_picture_is_raised_at_its_turn(images, monkeypatch):
    def fail(self, *request):
        raise PictureError("bad.png", "damaged")

    monkeypatch.setattr(TrainingPictures, "square", fail)
    with pytest.raises(PictureError, match="damaged"):
        train(images, [WHOLE], n_loader_workers=2)


def test_outputs_are_kept_on_a_gpu_only_if_they_fit(monkeypatch):
    views = {PLAIN: np.zeros((4, 100), np.float32)}  # 1,600 bytes
    moved = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: moved.append(device) or self)
    for free, expected in ((3_200, [PLAIN]), (3_199, [])):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10_000))
        assert list(hold_on_gpu(views, torch.device("cuda"))) == expected
    assert moved == [torch.device("cuda")] and hold_on_gpu(views, torch.device("cpu")) == {}


def test_batches_from_kept_outputs_have_the_same_bits(images, monkeypatch):
    def make():
        pictures = TrainingPictures(images, make_small_backbone().recipe, 0, 2)
        outputs = PrefixOutputs(make_small_backbone(), 2, pictures, pretrained=False)
        outputs.compute([PLAIN, ("crop", 1)])
        return outputs

    plain = make()
    monkeypatch.setattr(
        frozen_prefix,
        "hold_on_gpu",
        lambda views, device: {view: torch.from_numpy(rows) for view, rows in views.items()},
    )
    held = make()
    assert held.held.keys() == {PLAIN, ("crop", 1)} and plain.held == {}
    for policy, epoch in ((None, 0), ("crop", 1)):
        rows = np.array([3, 0, 5])
        for ours, expected in zip(held.batch(rows, policy, epoch), plain.batch(rows, policy, epoch), strict=True):
            assert torch.equal(ours, expected)


@needs_gpu
@pytest.mark.parametrize("phases", [[WHOLE], [tl.Phase(["stage1", "head"], 3, 1e-3)], [tl.Phase(["head"], None)]])
def test_a_gpu_learns_what_the_cpu_learns(phases, images):
    runs = [
        train(images, phases, device=device, mixed_precision=False, n_loader_workers=0) for device in ("cpu", "cuda")
    ]
    predicted = [run.predict(images) for run in runs]
    assert np.abs(predicted[0] - predicted[1]).max() < 0.02
    assert all(value.device.type == "cpu" for value in (*runs[1].backbone.parameters(), *runs[1].head.parameters()))
    assert runs[1].strategy.get("device", "cuda") == "cuda"


@needs_gpu
def test_defaults_on_a_gpu_are_recorded_and_kept(images, tmp_path):
    run = train(images, [WHOLE])
    assert run.strategy["device"] == "cuda" and run.history[-1]["mixed_precision"] in (True, False)
    run.save(tmp_path / "run")
    assert '"device": "cuda"' in (tmp_path / "run" / "run.json").read_text()


@needs_gpu
def test_outputs_of_frozen_stages_are_kept_on_the_gpu(images):
    seen = []
    phases = [tl.Phase(["stage1", "head"], 2, 1e-3)]
    train(images, phases, device="cuda", callbacks=[lambda training: seen.append(training.inputs.held)])
    assert seen and all(value.device.type == "cuda" for value in seen[-1].values()) and seen[-1]
