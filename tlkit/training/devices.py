"""The device of a training, and batches that worker threads read ahead of it."""

import contextlib

import numpy as np
import torch

from tlkit.arguments import check_count, check_known
from tlkit.features.crops import count_processors, run_ahead
from tlkit.features.engines import has_gpu
from tlkit.strategies.augmentation import split_policies
from tlkit.training.batches import TrainingPictures
from tlkit.training.optimizer import number_views
from tlkit.training.step import split_batch

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


class ReadAhead:
    """Inputs whose batches threads read in advance, in the order in which they will be used."""

    def __init__(self, inputs, requests, n_workers, pinned):
        def read(request):
            batch = inputs.batch(*request)
            return [value.pin_memory() for value in batch] if pinned else batch  # copied while the GPU computes

        self._requests, self.results = iter(requests), run_ahead(read, requests, n_workers, 2 * n_workers)

    def batch(self, indices, policy, epoch):
        """Return the next batch and its labels."""
        expected = next(self._requests)
        if not np.array_equal(indices, expected[0]) or (policy, epoch) != expected[1:]:
            raise RuntimeError(f"batches: {indices} in epoch {epoch}, expected {expected}, which were read ahead")
        return next(self.results)


@contextlib.contextmanager
def reading_ahead(training, batches):
    """Let workers read the pictures of an epoch's batches [(source indices, target indices)] within a block."""
    kept = {name: getattr(training, name) for name in ("inputs", "target_inputs")}
    n_workers = training.settings.n_loader_workers
    with contextlib.ExitStack() as ends:
        for (name, inputs), requests in zip(kept.items(), _list_requests(training, batches), strict=True):
            if n_workers and requests and isinstance(inputs, TrainingPictures):
                ahead = ReadAhead(inputs, requests, n_workers, training.device.type == "cuda")
                ends.callback(setattr, training, name, inputs)
                ends.callback(ahead.results.close)
                setattr(training, name, ahead)
        yield


def _list_requests(training, batches):
    """Return the arguments of `batch` for the source's and the target's inputs, in the order of the steps."""
    phase, epoch, size = training.phase, training.epoch, training.settings.micro_batch_size
    policy, mixing = split_policies(phase.augment)
    views, source, target = number_views(phase, epoch), [], []
    for indices, target_indices in batches:
        parts = split_batch(target_indices if indices is None else indices, size)
        if indices is not None:
            source += [(indices, policy, epoch)] if mixing else [(part, policy, views[0]) for part in parts]
        if target_indices is not None:
            target_parts = np.array_split(target_indices, len(parts))
            target += [(part, phase.augment, view) for part in target_parts for view in views]
    return source, target


def hold_on_gpu(views, device, share=0.5):
    """Return {view: tensor} of outputs of frozen stages on a GPU if they fit in a share of its free memory, else {}."""
    if (
        device.type != "cuda"
        or sum(values.nbytes for values in views.values()) > share * torch.cuda.mem_get_info(device)[0]
    ):
        return {}
    return {view: torch.from_numpy(np.ascontiguousarray(values)).to(device) for view, values in views.items()}
