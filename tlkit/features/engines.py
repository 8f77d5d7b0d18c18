"""What runs a frozen network forward: OpenVINO where it is installed, else torch.

Both see batches of one fixed size, the last filled up with zeros, so that a picture's features don't depend on which
pictures are computed beside it.
"""

import collections
import hashlib
import importlib.metadata
import importlib.util
import tempfile
import warnings
from pathlib import Path

import numpy as np

from tlkit.storage import cache_folder

BATCH_SIZE = 8
ENGINES = ("auto", "openvino", "torch")


def choose_engine(engine):
    """Return the engine's name that `engine` stands for; "auto" depends only on what is installed."""
    if engine not in ENGINES:
        raise ValueError(f"engine: {engine!r}, expected one of {', '.join(ENGINES)}")
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise ValueError("engine: 'openvino' is not installed: run `pip install openvino`, or take engine='torch'")
    return ("openvino" if installed else "torch") if engine == "auto" else engine


def engine_version(engine):
    """Return the version of the library behind an engine, as in "openvino 2026.4.1"."""
    return f"{engine} {importlib.metadata.version(engine)}"


def run_engine(engine, backbone, fingerprint, arrays, n_pictures, report):
    """Compute features.

    Arguments
    ---------
    engine: "openvino" or "torch"
    backbone: Backbone
        In evaluation mode.
    fingerprint: str
        Of the backbone; names its converted form on the disk.
    arrays: iterable of (3, height, width) float32
        Preprocessed pictures, read one by one.
    n_pictures: int
    report: callable
        Called with the number of pictures that were computed since the last call.

    Returns (n_pictures, n_features) float32.
    """
    values = np.empty((n_pictures, backbone.n_features), dtype=np.float32)
    batches = _batches(arrays, backbone.image_size_px)
    if engine == "openvino":
        _run_openvino(backbone, fingerprint, batches, values, report)
    else:
        _run_torch(backbone, batches, values, report)
    return values


def _batches(arrays, side):
    batch, start, filled = np.zeros((BATCH_SIZE, 3, side, side), np.float32), 0, 0
    for array in arrays:
        batch[filled] = array
        filled += 1
        if filled == BATCH_SIZE:
            yield start, filled, batch
            batch, start, filled = np.zeros_like(batch), start + filled, 0
    if filled:
        yield start, filled, batch


def _run_torch(backbone, batches, values, report):
    import torch

    device = next(backbone.parameters()).device
    with torch.inference_mode():
        for start, filled, batch in batches:
            pictures = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
            values[start : start + filled] = backbone(pictures)[:filled].float().cpu().numpy()
            report(filled)


def _run_openvino(backbone, fingerprint, batches, values, report):
    import openvino

    compiled = openvino.Core().compile_model(
        _convert(backbone, fingerprint),
        "CPU",
        # Where the processor has bf16 units OpenVINO would use them unasked and change the features' third digit.
        {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"},
    )
    # While some batches are computed the next is decoded here. OpenVINO's queue with a callback would be shorter, but
    # the thread that called back may still be waiting for Python's lock when the network is thrown away; that waits for
    # the thread and holds the lock: a deadlock, seen on a busy machine.
    free = [compiled.create_infer_request() for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))]
    running = collections.deque()

    def collect():
        request, start, filled = running.popleft()
        request.wait()
        values[start : start + filled] = request.get_output_tensor(0).data[:filled]
        return request

    for start, filled, batch in batches:
        request = free.pop() if free else collect()
        request.start_async({0: batch})
        running.append((request, start, filled))
        report(filled)
    while running:
        collect()


def _convert(backbone, fingerprint):
    import openvino

    version = engine_version("openvino").replace(" ", "-")
    path = cache_folder() / "converted" / f"{fingerprint[:32]}-{version}.xml"
    if _is_intact(path):
        return openvino.Core().read_model(path)
    converted = _translate(backbone)
    try:
        _keep(converted, path)
    except (OSError, RuntimeError) as error:  # OpenVINO says with the latter that the disk is full
        warnings.warn(f"the converted network can't be kept in {path.parent} ({error}): make room there", stacklevel=2)
    return converted


def _keep(converted, path):
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        openvino.save_model(converted, made, compress_to_fp16=False)
        made.with_suffix(".sha256").write_text(_digest(made))
        # The hash comes last: files without it, or with another writer's, are not read.
        for suffix in (".bin", ".xml", ".sha256"):
            made.with_suffix(suffix).replace(path.with_suffix(suffix))


def _is_intact(path):
    try:
        return path.with_suffix(".sha256").read_text() == _digest(path)
    except (OSError, ValueError):
        return False


def _digest(path):
    content = hashlib.sha256()
    for part in (path, path.with_suffix(".bin")):
        with open(part, "rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


def _translate(backbone):
    import openvino
    import torch

    side = backbone.image_size_px
    example = torch.zeros(BATCH_SIZE, 3, side, side)
    with torch.no_grad():
        return openvino.convert_model(torch.export.export(backbone, (example,)))
