"""The device of a training, and what is held on it."""

import numpy as np
import torch

from tlkit.arguments import check_count, check_known
from tlkit.features.crops import count_processors
from tlkit.features.engines import has_gpu

DEVICES = ("auto", "cpu", "cuda")
_MOST_WORKERS = 8  # by default; more threads of one process mostly wait for each other


def choose_device(device, backbone):
    """Return the device (str) to train on; "auto" is an NVIDIA GPU if torch can use one, else the backbone's own."""
    check_known("device", [device], DEVICES)
    if device == "cuda" and not has_gpu():
        raise ValueError("device: 'cuda' needs an NVIDIA GPU that torch can use, and there is none; take device='auto'")
    own = next(backbone.parameters()).device
    if device == "cpu" or (device == "auto" and own.type == "cpu" and not has_gpu()):
        return "cpu"
    return "cuda" if own.type == "cpu" else str(own)


def choose_speed(device, takes_steps, n_loader_workers, mixed_precision):
    """Return the number of loader workers and whether to try mixed precision; None stands for the device's default."""
    on_gpu = takes_steps and device.startswith("cuda")
    if n_loader_workers is None:
        n_loader_workers = max(0, min(_MOST_WORKERS, count_processors() - 1)) if on_gpu else 0
    return check_count("n_loader_workers", n_loader_workers, 0), on_gpu if mixed_precision is None else mixed_precision


def choose_frozen_engine(device):
    """Return the engine for frozen stages of a training on a device."""
    return "torch" if device.type == "cpu" and has_gpu() else "auto"


def hold_on_gpu(views, device, share=0.5):
    """Return {view: tensor} of outputs of frozen stages on a GPU if they fit in a share of its free memory, else {}."""
    needed = sum(values.nbytes for values in views.values())
    if device.type != "cuda" or needed > share * torch.cuda.mem_get_info(device)[0]:
        return {}
    return {view: torch.from_numpy(np.ascontiguousarray(values)).to(device) for view, values in views.items()}
