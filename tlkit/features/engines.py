"""Engines that run a frozen network forward: OpenVINO or torch, on a CPU or a GPU. Without torch until one is opened.

All engines fill up the last batch with zeros, so that a picture's features don't depend on others in its batch.
"""

import collections
import importlib.metadata
import importlib.util
import itertools
import shutil

import numpy as np

from tlkit.arguments import check_known
from tlkit.notices import warn

ENGINES = ("auto", "openvino", "torch", "cuda")
PRECISIONS = ("exact", "fast")
_convertible = {}  # {fingerprint of an own network: whether OpenVINO can run it}


def choose_engine(engine, network=None):
    """Return the name of the engine to use; "auto" depends on the installation, and on the `FrozenNetwork` if own."""
    check_known("engine", [engine], ENGINES)
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise ValueError("engine: 'openvino' is not installed: run `pip install openvino`, or take engine='torch'")
    if engine == "cuda" and not has_gpu():
        raise ValueError("engine: 'cuda' needs an NVIDIA GPU that torch can use, and there is none; take engine='auto'")
    if engine != "auto":
        return engine
    if has_gpu():
        return "cuda"
    return "openvino" if installed and (network is None or _converts(network)) else "torch"


def _converts(network):
    """Return whether OpenVINO can run a network; code of users' own may hold anything."""
    if not network.is_own:
        return True
    if network.backbone.made.get("frozen"):  # by onnxruntime
        return False
    if network.fingerprint not in _convertible:
        from tlkit.features.openvino_engine import read_converted

        try:
            read_converted(network)
            _convertible[network.fingerprint] = True
        except Exception as error:
            if str(error).startswith("backbone:"):  # damaged weights
                raise
            _convertible[network.fingerprint] = False
            reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
            warn(f"engine: OpenVINO can't run {network.name} ({reason}), so torch does, which engine='torch' states")
    return _convertible[network.fingerprint]


def has_gpu():
    """Return whether torch can use an NVIDIA GPU; torch is imported only if there is a driver."""
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return torch.cuda.is_available()


def find_arithmetic(engine, precision):
    """Return the arithmetic of an engine, "f32" or "bf16"; "fast" is bf16 if the processor has units for it."""
    if precision == "exact" or engine == "torch":
        return "f32"
    if engine == "openvino":
        from tlkit.features.openvino_engine import open_core

        offered = "BF16" in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    else:
        import torch

        offered = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if offered else "f32"


def open_engine(engine, network, output, precision, start=None):
    """Return an engine with `batch_size` and `run` for one `Output` of a `FrozenNetwork`."""
    # `run` turns an iterable of batches (batch_size, *recipe.crop_shape) into (batch_size, *output.shape) float32. With
    # a stage as `start`, which only OpenVINO takes, batches are outputs of that stage, in the order of its axes.
    if engine == "openvino":
        from tlkit.features.openvino_engine import open_openvino

        return open_openvino(network, output, find_arithmetic(engine, precision), start)
    from tlkit.features.torch_engine import TorchEngine

    return TorchEngine(network, output, precision, "cuda" if engine == "cuda" else None)


def describe_engine(engine, precision):
    """Return library, version, device and arithmetic, which decide a feature's bits, as in "openvino 2026.4 f32"."""
    package, device = ("openvino" if engine == "openvino" else "torch"), " on a GPU" * (engine == "cuda")
    return f"{package} {importlib.metadata.version(package)}{device} {find_arithmetic(engine, precision)}"


def run_in_batches(engine, crops):
    """Yield the outputs (n, *shape) float32 of an iterable of crops, as `Recipe.as_crop` makes them, in batches."""
    counts = collections.deque()

    def make_batches():
        for _, same in itertools.groupby(crops, np.shape):
            while filled := list(itertools.islice(same, engine.batch_size)):
                counts.append(len(filled))
                batch = np.zeros((engine.batch_size, *filled[0].shape), filled[0].dtype)
                batch[: len(filled)] = filled
                yield batch

    for values in engine.run(make_batches()):
        yield values[: counts.popleft()]
