"""A self-supervised objective: pretraining goes on with one's own pictures, without labels."""

import dataclasses

import torch
from torch import nn

from tlkit.adaptation.losses import simsiam_loss
from tlkit.arguments import check_count
from tlkit.cpu.draws import Draws
from tlkit.notices import warn

LEAST_SPREAD = 0.1


class _SelfSupervised:
    """An objective of two views of each picture; the phase needs neither labels nor a head."""

    source_free = self_supervised = True

    def check_phase(self, phase):
        """Raise ValueError if a phase draws no views, or trains only the head, which has no part in the objective."""
        if phase.augment is None:
            raise ValueError('augment: None, but SimSiam compares two views of a picture: give "crop_wide" or others')
        if set(phase.train) == {"head"}:
            raise ValueError('train: ["head"], but SimSiam trains what is below the head: take ["all"], or stages')

    def make_critic(self, n_features, n_classes, seed):
        """Return projector and predictor of a phase, seeded apart from torch's own random state."""
        with Draws(seed):
            return _Siamese(n_features, self.n_outputs, self.n_hidden)

    def __call__(self, source, target, critic, progress):
        # One view at a time, as in the paper's code, so that norm layers standardise each view by itself.
        views = [critic(features) for features in target.features.chunk(2)]
        outputs, predictions = (torch.stack(part) for part in zip(*views, strict=True))
        critic.spread += torch.stack([measure_spread(outputs), torch.ones((), device=outputs.device)])
        return simsiam_loss(predictions, outputs)

    def report(self, critic):
        """Return the mean spread of the outputs over an epoch, whose record is cleared; warn if they have collapsed."""
        total, n_steps = critic.spread.tolist()
        critic.spread.zero_()
        if total / n_steps < LEAST_SPREAD:
            warn(
                f"objective: the outputs of SimSiam have collapsed (output_spread below {LEAST_SPREAD}): all pictures "
                "look alike to the network; take a smaller learning_rate, larger batches, or milder augmentation"
            )
        return {"output_spread": total / n_steps}


@dataclasses.dataclass(frozen=True)
class SimSiam(_SelfSupervised):
    """Continue the pretraining of a backbone on pictures without labels: two views of a picture become alike.

    As the `objective` of a phase it draws two views of each picture by `augment`, from `transfer(…, target=…)` or else
    from the training pictures. The head stays, and projector and predictor are dropped at the end of the phase.

    Parameters
    ----------
    n_outputs, n_hidden : int, default 512 and 128
        Width of both layers of the projector, and of the hidden layer of the predictor, a bottleneck.

    Raises
    ------
    ValueError
        If a number is below 1, or the phase has no augmentation or trains nothing but the head.

    Notes
    -----
    Projector and predictor train at the rate of the head if the phase has one, else at its largest. `output_spread`
    (float) in the history is the standard deviation of the normalised outputs over the pictures of a step, times the
    square root of their number: 1 if they point in all directions. Below 0.1 a warning says that they have collapsed.

    The norm layers of the backbone keep their statistics, or with `norm_statistics="moving"` standardise by the batch
    and move. Those of projector and predictor standardise by one view of a (micro-)batch: take 32 or more.

    Departures from the paper: the projector has two layers, as there for CIFAR-10, and is narrower than its 2,048. The
    paper starts from random weights, moves norm statistics, uses SGD, crops down to 0.2 of the area, and keeps the rate
    of the predictor constant; here the phase and the settings of `transfer` decide.

    References
    ----------
    .. [1] Chen and He 2021, Exploring simple Siamese representation learning.

    Examples
    --------
    >>> pictures = tl.load_images("styles", domain="sketch").select(classes=["bird", "bug"]).few(4)
    >>> phases = [tl.Phase(["all"], 1, 1e-3, augment="crop_wide", objective=SimSiam()), tl.Phase(["head"], None)]
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> run = tl.transfer(backbone, pictures.few(1), tl.Strategy(phases), target=pictures, progress=False)
    >>> run.backbone.provenance["source"]
    'random weights, seed 0, pretrained further on 8 pictures without labels, tuned by own'
    """

    n_outputs: int = 512
    n_hidden: int = 128

    def __post_init__(self):
        for name in ("n_outputs", "n_hidden"):
            check_count(name, getattr(self, name), 1)


class _Siamese(nn.Module):
    """Projector and predictor of SimSiam, and a record of the spread of the outputs."""

    def __init__(self, n_features, n_outputs, n_hidden):
        super().__init__()
        # No bias before a norm layer, which would subtract it.
        hidden, last = (nn.Linear(n_inputs, n_outputs, bias=False) for n_inputs in (n_features, n_outputs))
        norms = nn.BatchNorm1d(n_outputs), nn.BatchNorm1d(n_outputs), nn.BatchNorm1d(n_hidden)
        self.projector = nn.Sequential(hidden, norms[0], nn.ReLU(inplace=True), last, norms[1])
        down, up = nn.Linear(n_outputs, n_hidden, bias=False), nn.Linear(n_hidden, n_outputs)
        self.predictor = nn.Sequential(down, norms[2], nn.ReLU(inplace=True), up)
        self.register_buffer("spread", torch.zeros(2))  # sum over the steps of the epoch, and their number

    def forward(self, features):
        """Return the outputs of features (n, n_features), and the predictions from them, both (n, n_outputs)."""
        outputs = self.projector(features)
        return outputs, self.predictor(outputs)


def measure_spread(outputs):
    """Return √d times the mean standard deviation over n of outputs (2, n, d) divided by their lengths; 0 to 1."""
    deviations = nn.functional.normalize(outputs.detach(), dim=2).std(dim=1, correction=0)
    return deviations.mean() * outputs.shape[2] ** 0.5
