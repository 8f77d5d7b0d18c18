"""Networks as OpenVINO's: converted once with the outputs of all their stages, and kept on disk."""

import contextlib
import copy
import hashlib
import importlib.metadata
import tempfile
import warnings
from pathlib import Path

from tlkit.storage import cache_folder

# One size of batch, the last filled up, so that a picture's features don't depend on which are computed beside it.
BATCH_SIZE = 8


def read_converted(network):
    """Return a network as an `openvino.Model`, converted now where that isn't kept from before.

    Its input is (BATCH_SIZE, 3, height, width) float32; its outputs are those of the stages, in forward order, and the
    features.

    Arguments
    ---------
    network: FrozenNetwork
    """
    import openvino

    version = importlib.metadata.version("openvino")
    path = cache_folder() / "converted" / f"{network.fingerprint[:32]}-openvino-{version}-stages.xml"
    if is_intact(path):
        with contextlib.suppress(OSError, RuntimeError):  # another process may just have cleared the cache
            path.touch()  # what was used longest ago is removed first
            return openvino.Core().read_model(path)
    converted = _translate(network.backbone)
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


def is_intact(path):
    """Say whether a converted network is what was written, by the hash beside it; `path` is that of its .xml."""
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

    if next(backbone.parameters()).device.type != "cpu":
        backbone = copy.deepcopy(backbone).cpu()

    class EveryStage(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = backbone

        def forward(self, batch):
            outputs = []
            for layer in (*self.backbone.body.values(), self.backbone.tail):
                batch = layer(batch)
                outputs.append(batch * 1)  # OpenVINO refuses some operations, such as hard swish, at a network's end
            return tuple(outputs)

    example = torch.zeros(BATCH_SIZE, 3, backbone.image_size_px, backbone.image_size_px)
    with torch.no_grad(), _evaluating(backbone):
        return openvino.convert_model(torch.export.export(EveryStage(), (example,)))


@contextlib.contextmanager
def _evaluating(network):
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
