"""Reading and checking a weights file. No code in it is ever run."""

import contextlib
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import safetensors
import torch

from tlkit.backbones.weights.download import name_impostor
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import check_sha256, record_sha256
from tlkit.names import make_printable

_EXPORT = "save `model.state_dict()` from the program that made the model, best as .safetensors"


def read_weights(path, entry=None):
    """Return ({name: tensor}, SHA-256) of a .safetensors or .pth file, which must be the published one of `entry`."""
    # Without an entry, it is a file of the user's. If a checkpoint has its state dict under a key such as "model", each
    # name begins with that key, which `fit_to_network` strips, and which tells several states apart.
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        content = file.read()
    sha256 = hashlib.sha256(content).hexdigest()
    if impostor := name_impostor(content):
        raise WeightsError(f"{path} is {impostor}, not weights: the download went wrong, fetch the file itself")
    check_sha256(path, status, sha256, entry)
    # A suffix may be wrong; only a safetensors file begins with the length of a header in braces.
    is_safetensors = content[8:9] == b"{" or (Path(path).suffix == ".safetensors" and content[:2] != b"PK")
    tensors = _read_safetensors(content, path) if is_safetensors else _read_pickled(content, path)
    record_sha256(path, status, sha256, entry)
    return tensors, sha256


def find_licence(path):
    """Return the licence that the metadata of a safetensors file names, or "unknown"."""
    metadata = {}
    with contextlib.suppress(safetensors.SafetensorError), safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    return make_printable(metadata.get("license") or metadata.get("licence") or "unknown")


def _read_safetensors(content, path):
    """Return {name: tensor} of a safetensors file (bytes)."""
    import safetensors.torch

    try:
        return safetensors.torch.load(content)
    except Exception as error:  # several kinds for a damaged file
        raise WeightsError(_describe_unreadable(path, content, _measure_safetensors(content))) from error


def _read_pickled(content, path):
    """Return {name: tensor} of a file of torch.save (bytes) that holds tensors only."""
    if _is_program(content):
        raise WeightsError(f"{path} is a TorchScript program, not weights: {_EXPORT}")
    try:
        loaded = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        # torch's messages advise to run code, so only the object's name is repeated: `_io.open` since Python 3.13.
        if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
            name = re.sub(r"\b_(?=[a-z])", "", refused[1])
            why = "which is no tensor, and is not loaded, since that could run any code"
            raise WeightsError(f"{path} holds {name}, {why}. It must hold tensors only: {_EXPORT}") from error
        raise WeightsError(_describe_unreadable(path, content)) from error
    tensors = {f"{prefix}{name}": value for prefix, state in _list_states(loaded) for name, value in state.items()}
    if not tensors:
        raise WeightsError(f"{path} doesn't hold a state dict: {_EXPORT}")
    return tensors


def _is_program(content):
    """Return whether a file (bytes) is a TorchScript archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _list_states(loaded, prefix=""):
    """Yield (beginning of names, {name: tensor}) for each dict in a dict, however deep, that holds mostly tensors."""
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        return
    state = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if 2 * len(state) > len(loaded):
        yield prefix, state
    for key, value in loaded.items():
        yield from _list_states(value, f"{prefix}{key}.")


def _measure_safetensors(content):
    """Return the length in bytes that the header announces; None if the header is incomplete."""
    n_header = int.from_bytes(content[:8], "little")
    ends = re.findall(rb'"data_offsets":\[\d+,(\d+)\]', content[8 : 8 + n_header])
    return 8 + n_header + max(map(int, ends)) if ends and len(content) >= 8 + n_header else None


def _describe_unreadable(path, content, whole_bytes=None):
    """Return the message for a file that can't be read."""
    size_mb = len(content) / 1e6
    if whole_bytes is not None and len(content) < whole_bytes:
        return f"{path} is incomplete: {size_mb:.1f} of {whole_bytes / 1e6:.1f} MB; fetch it again"
    why = f"it is incomplete, damaged or something else. If it is incomplete, fetch it again; else {_EXPORT}"
    return f"{path} ({size_mb:.1f} MB) can't be read as weights: {why}"
