"""A convolutional head on feature maps, the only kind that needs torch."""

import dataclasses
import math

import numpy as np

from tlkit.arguments import check_count, check_number
from tlkit.cpu.threads import convolutions, default_states
from tlkit.heads.head import Head, centre_scores
from tlkit.heads.numerics import limit_threads, measure_scale

KERNEL_SIZES = (1, 3)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConvolutionalHead(Head):
    """A convolution, a rectifier, the mean over the map, a linear layer."""

    kernel: np.ndarray  # (n_channels, n_features, kernel_size, kernel_size) float32, in the unit of the features
    kernel_bias: np.ndarray  # (n_channels,) float32
    weight: np.ndarray  # (n_present, n_channels) float32
    bias: np.ndarray  # (n_present,) float32

    n_dimensions = 4

    def module(self):
        """Return the head as a torch.nn.Sequential."""
        from tlkit.heads.modules import make_convolutional

        return make_convolutional(self.kernel, self.kernel_bias, *self._spread(self.weight, self.bias))

    def _score_present(self, values):
        """Return (n, n_present) scores of maps."""
        import torch

        with default_states(), convolutions.together(), torch.no_grad():
            return self.module()(torch.from_numpy(values))[:, self.present].double().numpy()


@default_states()
def fit_convolutional(
    features, *, seed=0, n_channels=64, kernel_size=1, n_epochs=60, learning_rate=1e-3, weight_decay=0.01, batch_size=32
):
    """Fit a convolutional head on `Features` of maps (n, n_features, height, width); same seed, same bits."""
    # AdamW with a learning rate that falls linearly to 0. There is no norm layer: a prediction doesn't depend on the
    # other pictures of a batch, and no running statistics move when the head is tuned further.
    import torch

    from tlkit.heads.modules import make_convolutional

    n_channels, n_epochs = check_count("n_channels", n_channels, 1), check_count("n_epochs", n_epochs, 1)
    batch_size = check_count("batch_size", batch_size, 1)
    learning_rate = check_number("learning_rate", learning_rate, above=0)
    check_number("weight_decay", weight_decay, at_least=0)
    if kernel_size not in KERNEL_SIZES:
        raise ValueError(f"kernel_size: {kernel_size!r}, expected 1 or 3")
    if features.values.ndim != 4:
        found = f"shape {features.values.shape}, but a 'conv' head is fitted on maps (n, channels, height, width)"
        raise ValueError(f"features: {found}: take them before they are pooled, or fit an 'mlp' head")
    settings = {"n_channels": n_channels, "kernel_size": kernel_size, "n_epochs": n_epochs}
    settings |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "batch_size": batch_size}
    present, columns = np.unique(features.labels, return_inverse=True)
    scale = measure_scale(features.values)
    values, labels = torch.from_numpy(features.values / np.float32(scale)), torch.from_numpy(columns)
    generator = torch.Generator().manual_seed(seed)
    n_input = values.shape[1]
    kernel = _draw((n_channels, n_input, kernel_size, kernel_size), n_input * kernel_size**2, generator)
    weight = _draw((len(present), n_channels), n_channels, generator)
    module = make_convolutional(kernel, 0.0, weight, 0.0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, n_epochs * math.ceil(len(values) / batch_size))
    with convolutions.together(), limit_threads(features.values):
        for _ in range(n_epochs):
            for rows in torch.randperm(len(values), generator=generator).split(batch_size):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(module(values[rows]), labels[rows]).backward()
                optimizer.step()
                schedule.step()
    tensors = [tensor.detach().numpy() for tensor in module.parameters()]
    if not all(np.isfinite(tensor).all() for tensor in tensors):
        raise ValueError(f"learning_rate: {learning_rate:g} made the weights infinite; take a tenth of it")
    kernel, kernel_bias, weight, bias = tensors
    fitted = settings, kernel / np.float32(scale), kernel_bias, *centre_scores(weight, bias)
    return ConvolutionalHead("conv", list(features.classes), present, n_input, *fitted)


def _draw(shape, n_inputs, generator):
    """Return weights that keep the variance behind a rectifier (He et al. 2015, arXiv:1502.01852)."""
    import torch

    return (torch.randn(shape, generator=generator) * math.sqrt(2 / n_inputs)).numpy()
