"""ArmSummary and checking a weights file. No code in it is ever run."""

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import torch

from tlkit.backbones.weights.download import name_impostor
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import check_sha256, record_sha256

# Where checkpoints keep a state, the one to be preferred first: what was averaged while training is what its authors
# evaluate.
_CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
_EXPORT = "save `model.state_dict()` where the model was made, best as .safetensors"


def read_weights(path, entry=None):
    """Read a weights file; returns ({name: tensor}, SHA-256).

    A state that a checkpoint keeps under "state_dict", "model" or the like gets that word before its names, which
    `tlkit.backbones.weights.fit.fit_to_network` strips.

    Arguments
    ---------
    path: path of a .safetensors file, or of a .pth file that holds tensors only
    entry: Entry, optional
        Where given, the file must have the hash that its publisher gave it, or, where the publisher gave none, the one
        that it had when it was first read. A file of the user's may be rewritten, which is said, but not change by
        itself.
    """
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        content = file.read()
    sha256 = hashlib.sha256(content).hexdigest()
    if impostor := name_impostor(content):
        raise WeightsError(f"{path} is {impostor}, and not weights: the download went wrong, fetch the file itself")
    check_sha256(path, status, sha256, entry)
    # A name may lie; only safetensors begins with the length of a description in braces.
    is_safetensors = Path(path).suffix == ".safetensors" or content[8:9] == b"{"
    tensors = _read_safetensors(content, path) if is_safetensors else _read_pickled(content, path)
    record_sha256(path, status, sha256, entry)
    return tensors, sha256


def _read_safetensors(content, path):
    import safetensors.torch

    try:
        return safetensors.torch.load(content)
    except Exception as error:  # several kinds for a damaged file
        raise WeightsError(_describe_unreadable(path, content, _measure_safetensors(content))) from error


def _read_pickled(content, path):
    if _is_program(content):
        raise WeightsError(f"{path} is a TorchScript program, not weights: {_EXPORT}")
    try:
        loaded = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        # Their own words advise to load the file in the way that runs code, so only the object's name is passed on.
        if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise WeightsError(
                f"{path} holds {refused[1]}, which is no tensor, and is not loaded, since that could run any code. It "
                f"must hold tensors only: {_EXPORT}"
            ) from error
        raise WeightsError(_describe_unreadable(path, content)) from error
    if _is_state(loaded):
        return loaded
    states = {key: value for key, value in loaded.items() if _is_state(value)} if isinstance(loaded, dict) else {}
    key = next((key for key in (*_CONTAINERS, *states) if key in states), None)
    if key is None or (key not in _CONTAINERS and len(states) > 1):
        beside = f"; it holds {', '.join(map(repr, states))}" if states else ""
        raise WeightsError(f"{path} doesn't hold a state dict{beside}: {_EXPORT}")
    return {f"{key}.{name}": tensor for name, tensor in states[key].items()}


def _is_program(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_state(loaded):
    return (
        isinstance(loaded, dict)
        and bool(loaded)
        and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in loaded.items())
    )


def _measure_safetensors(content):
    # Its description of known length says where the last tensor ends.
    n_described = int.from_bytes(content[:8], "little")
    ends = re.findall(rb'"data_offsets":\[\d+,(\d+)\]', content[8 : 8 + n_described])
    return 8 + n_described + max(map(int, ends)) if ends and len(content) >= 8 + n_described else None


def _describe_unreadable(path, content, whole_bytes=None):
    size_mb = len(content) / 1e6
    if whole_bytes is not None and len(content) < whole_bytes:
        return f"{path} is incomplete: {size_mb:.1f} of {whole_bytes / 1e6:.1f} MB; fetch it again"
    return (
        f"{path} ({size_mb:.1f} MB) can't be read as weights: it is incomplete, damaged or something else. An "
        f"incomplete file must be fetched again; else {_EXPORT}"
    )
