"""What runs a frozen network forward: OpenVINO where it is installed, else torch; a GPU where there is one.

All see batches of one fixed size, the last filled up with zeros, so that a picture's features don't depend on which
pictures are computed beside it.
"""

import importlib.metadata
import importlib.util
import shutil

import numpy as np

from tlkit.arguments import check_known
from tlkit.features.arithmetic import find_arithmetic

ENGINES = ("auto", "openvino", "torch", "cuda")


def choose_engine(engine):
    """Return the engine's name that `engine` stands for; "auto" depends only on what is installed."""
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
    return "openvino" if installed else "torch"


def has_gpu():
    """Say whether torch can use an NVIDIA GPU; where there is no driver, torch isn't asked, and not imported."""
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return torch.cuda.is_available()


def open_engine(engine, network, output, precision):
    """Make ready what computes one output of a network.

    Arguments
    ---------
    engine: "openvino", "torch" or "cuda"
    network: FrozenNetwork
    output: Output
        Of this network.
    precision: "exact" or "fast"

    Returns an object with `batch_size` and `run`, which takes an iterable of batches (batch_size, height, width, 3)
    uint8 and gives for each, in order, (batch_size, *output.shape) float32.
    """
    if engine == "openvino":
        from tlkit.features.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(network, output, precision)
    from tlkit.features.torch_engine import TorchEngine

    return TorchEngine(network, output, precision, "cuda" if engine == "cuda" else None)


def describe_engine(engine, precision):
    """Return what of an engine decides the features' bits, library and arithmetic, such as "openvino 2026.4 f32"."""
    package = "openvino" if engine == "openvino" else "torch"
    device = " on a GPU" if engine == "cuda" else ""
    return f"{package} {importlib.metadata.version(package)}{device} {find_arithmetic(engine, precision)}"


def run_in_batches(engine, squares):
    """Yield (n, *shape) float32 of pictures, in order.

    Arguments
    ---------
    engine: what `open_engine` returns
    squares: iterable of (height, width, 3) uint8
        Pictures, resized and cropped; read one by one.
    """
    counts = []
    for values in engine.run(_make_batches(squares, engine.batch_size, counts)):
        yield values[: counts.pop(0)]


def _make_batches(squares, batch_size, counts):
    batch, filled = None, 0
    for square in squares:
        if batch is None:
            batch = np.zeros((batch_size, *square.shape), np.uint8)
        batch[filled] = square
        filled += 1
        if filled == batch_size:
            counts.append(filled)
            yield batch
            batch, filled = None, 0
    if filled:
        counts.append(filled)
        yield batch
