"""Batches that worker threads read ahead of a training."""

import contextlib

import numpy as np

from tlkit.features.crops import run_ahead
from tlkit.strategies.augmentation import split_policies
from tlkit.training.batches import TrainingPictures
from tlkit.training.optimizer import number_views
from tlkit.training.step import split_batch


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
