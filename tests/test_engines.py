"""Which engine is taken, in which arithmetic; and that folded norm layers change nothing."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_networks import make_batch, make_tiny_backbone
from torch import nn

from tlkit.features import engines
from tlkit.features.engines import choose_engine, describe_engine, find_arithmetic, has_gpu, open_engine
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import import_openvino
from tlkit.features.torch_engine import TorchEngine, fold_norms


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, as far as choosing goes."""
    monkeypatch.setattr(engines, "has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: not including_emulation)


def offer(monkeypatch, *capabilities):
    openvino = import_openvino()

    real = openvino.Core.get_property

    def get_property(self, device, name, *arguments):
        if name == "OPTIMIZATION_CAPABILITIES":
            return list(capabilities)
        return real(self, device, name, *arguments)

    monkeypatch.setattr(openvino.Core, "get_property", get_property)


def test_auto_is_the_gpu_then_openvino_then_torch(monkeypatch, gpu):
    assert choose_engine("auto") == "cuda"
    assert choose_engine("openvino") == "openvino"
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    assert choose_engine("auto") == "openvino"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_engine("auto") == "torch"


def test_torch_is_asked_for_a_gpu_only_where_there_is_a_driver(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: asked.append(1) or True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not has_gpu()
    assert not asked
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert has_gpu()


def test_exact_is_float32_and_fast_what_there_are_units_for(monkeypatch, gpu):
    offer(monkeypatch, "FP32", "BF16")
    exact, fast = (
        [find_arithmetic(engine, precision) for engine in ("openvino", "torch", "cuda")]
        for precision in (
            "exact",
            "fast",
        )
    )
    assert exact == ["f32", "f32", "f32"]
    assert fast == ["bf16", "f32", "bf16"]
    offer(monkeypatch, "FP32")
    assert find_arithmetic("openvino", "fast") == "f32"


def test_the_engine_is_named_with_all_that_decides_its_bits(gpu):
    named = [describe_engine(engine, "exact") for engine in ("openvino", "torch", "cuda")]
    assert len(set(named)) == 3
    assert named[0].startswith("openvino 20") and named[0].endswith("f32")
    assert "on a GPU" in named[2]


@pytest.mark.parametrize(("capabilities", "hint"), [(("FP32", "BF16"), "bf16"), (("FP32",), "f32")])
def test_openvino_is_asked_for_bf16_only_where_it_was_offered(capabilities, hint, monkeypatch):
    openvino = import_openvino()

    offer(monkeypatch, *capabilities)
    asked, real = [], openvino.Core.compile_model

    def compile_model(self, model, device, settings):
        asked.append(settings["INFERENCE_PRECISION_HINT"])
        return real(self, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    network = FrozenNetwork.of(make_tiny_backbone())
    open_engine("openvino", network, network.output(None, True), "fast")
    assert asked[-1] == hint  # after a conversion was compared in float32


class Reused(nn.Module):
    """A convolution whose output goes to a norm layer and past it, and one that serves two norm layers."""

    def __init__(self, past, twice):
        super().__init__()
        self.past, self.twice = past, twice
        self.first, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.other = nn.BatchNorm2d(3)

    def forward(self, batch):
        made = self.first(batch)
        batch = self.norm(made) + (made if self.past else 0)
        return self.other(self.first(batch)) if self.twice else batch


def randomise(network):
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
                layer.weight.normal_()
    return network.eval()


def count_norms(network):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@torch.no_grad()
def test_norms_are_folded_and_nothing_changes():
    torch.manual_seed(0)
    network = randomise(Reused(past=False, twice=False))
    batch = make_batch()
    before = network(batch)
    assert fold_norms(network, batch)
    assert isinstance(network.norm, nn.Sequential)
    assert torch.allclose(network(batch), before, atol=1e-5)


@torch.no_grad()
def test_a_fold_that_would_change_the_result_is_told():
    torch.manual_seed(0)
    assert not fold_norms(randomise(Reused(past=True, twice=False)), make_batch())
    shared = randomise(Reused(past=False, twice=True))
    before = shared(make_batch())
    assert fold_norms(shared, make_batch())
    assert torch.equal(shared(make_batch()), before)
    assert count_norms(shared) == 2


def test_the_engine_folds_a_copy(monkeypatch):
    backbone = make_tiny_backbone()
    randomise(backbone)
    network = FrozenNetwork.of(backbone)
    engine = TorchEngine(network, network.output(None, True), "exact")
    assert count_norms(engine.network) == 0
    assert count_norms(backbone) == 2
    assert network.fingerprint == backbone.fingerprint()
    batch = np.zeros((8, 16, 16, 3), np.uint8)
    expected = next(engine.run([batch]))
    # Where folding fails, the network runs as it is.
    monkeypatch.setattr("tlkit.features.torch_engine.fold_norms", lambda network, batch: False)
    whole = TorchEngine(network, network.output(None, True), "exact")
    assert count_norms(whole.network) == 2
    assert np.allclose(next(whole.run([batch])), expected, atol=1e-5)


TWO_ENGINES = """
import signal
import numpy as np
from tlkit.features.openvino_engine import OpenVINOEngine, import_openvino

def make():
    operations = import_openvino().opset15
    given = operations.parameter([1, 2], dtype=np.float32)
    return OpenVINOEngine(import_openvino().Model([operations.relu(given)], [given]), "f32")

engines = [make(), make()]
while engines:
    del engines[0]
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""


def test_ctrl_c_is_heard_after_engines_end_in_the_order_in_which_they_began():
    done = subprocess.run([sys.executable, "-c", TWO_ENGINES], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_there_is_one_core():
    folders = [Path(__file__).parent.parent / name for name in ("tlkit", "tests", "benchmarks", "tools", "claims")]
    made = [
        path.name for folder in folders for path in folder.rglob("*.py") if re.search(r"\bCore\(\)", path.read_text())
    ]
    assert made == ["openvino_engine.py"]
