"""Losses that bring source and target together: each one pure function of tensors."""

import math

import torch
from torch import nn

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
TEMPERATURE = 2.5
_STEEPNESS = 10.0


def ramp(progress):
    """Return 2 / (1 + exp(-10 p)) - 1: from 0, where features are not yet worth aligning, to almost 1.

    Ganin et al. 2016 (Domain-adversarial training of neural networks).

    Arguments
    ---------
    progress: float
        0 to 1.

    >>> [round(ramp(progress), 3) for progress in (0, 0.1, 0.5, 1)]
    [0.0, 0.462, 0.987, 1.0]
    """
    return 2 / (1 + math.exp(-_STEEPNESS * progress)) - 1


def coral_loss(source, target):
    """Return the squared distance of the two covariances over 4 d², as a tensor ().

    Sun and Saenko 2016 (Deep CORAL: correlation alignment for deep domain adaptation). A shift of the mean alone is not
    seen.

    Arguments
    ---------
    source, target: (n, d), (m, d)
        Two rows each, or more.

    >>> coral_loss(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])).item()  # variances 2 and 8
    9.0
    """
    difference = torch.cov(source.T) - torch.cov(target.T)
    return (difference**2).sum() / (4 * source.shape[1] ** 2)


def mmd_loss(source, target, bandwidths=BANDWIDTHS):
    """Return the squared maximum mean discrepancy under a sum of Gaussian kernels, as a tensor ().

    Long et al. 2015 (Learning transferable features with deep adaptation networks). They choose the weights of the
    kernels by a quadratic program; ours count alike, as in their later code, and so does the rest: the biased estimate,
    which is never negative, and widths around the mean squared distance of two different rows, taken as a constant.

    Arguments
    ---------
    source, target: (n, d), (m, d)
    bandwidths: sequence of float
        Of each kernel exp(-‖x - y‖² / (bandwidth × that mean)).
    """
    rows = torch.cat([source, target])
    squares = (rows**2).sum(dim=1)
    # Not torch.cdist, whose gradient is not a number where two rows are the same.
    distances = (squares[:, None] + squares - 2 * rows @ rows.T).clamp_min(0)
    n_rows, n_source = len(rows), len(source)
    mean = (distances.detach().sum() / (n_rows * (n_rows - 1))).clamp_min(torch.finfo(rows.dtype).tiny)
    kernel = sum(torch.exp(-distances / (bandwidth * mean)) for bandwidth in bandwidths)
    within = kernel[:n_source, :n_source].mean() + kernel[n_source:, n_source:].mean()
    return within - 2 * kernel[:n_source, n_source:].mean()


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(values, reversal_scale):
        return values.view_as(values)

    @staticmethod
    def setup_context(context, inputs, output):
        context.reversal_scale = inputs[1]

    @staticmethod
    def backward(context, gradient):
        return -context.reversal_scale * gradient, None


def reverse_gradient(values, reversal_scale):
    """Return values as they are; their gradient comes back times -reversal_scale.

    Ganin et al. 2016 (Domain-adversarial training of neural networks).
    """
    return _Reversal.apply(values, reversal_scale)


def domain_loss(critic, source, target, reversal_scale):
    """Return the cross-entropy of a critic that tells source (1) from target (0), as a tensor ().

    Ganin et al. 2016 (Domain-adversarial training of neural networks): the critic learns to lower it, and through the
    reversed gradient what made the features to raise it.

    Arguments
    ---------
    critic: torch.nn.Module
        From (n, d) to one score a row, (n, 1).
    source, target: (n, d), (m, d)
    reversal_scale: float
        By which the gradient of the features is multiplied, and turned round.
    """
    return _domain_loss(
        critic, source, target, reversal_scale, torch.ones(len(source) + len(target), device=source.device)
    )


def conditional_domain_loss(critic, source, target, source_scores, target_scores, reversal_scale, *, weighted=True):
    """Return `domain_loss` of the products of each feature with each class's probability, as a tensor ().

    Long et al. 2018 (Conditional adversarial domain adaptation): so that classes are aligned each with itself. We take
    all products, where they draw random ones once there are more than 4,096; the probabilities are constants, as in
    their code.

    Arguments
    ---------
    critic: torch.nn.Module
        From (n, d × n_classes) to (n, 1).
    source, target: (n, d), (m, d)
    source_scores, target_scores: (n, n_classes), (m, n_classes)
        Before softmax.
    reversal_scale: float
    weighted: bool
        Rows count with 1 + exp(-entropy of their probabilities), so that the sure ones count more (their CDAN+E); over
        a domain the weights sum up to 1, and both domains count the same.
    """
    joint, weights = [], []
    for features, scores in ((source, source_scores), (target, target_scores)):
        probabilities = scores.detach().softmax(dim=1)
        joint.append((features[:, :, None] * probabilities[:, None, :]).flatten(1))
        sureness = 1 + torch.exp(-_entropies(scores.detach()))
        weights.append(sureness / sureness.mean() if weighted else torch.ones_like(sureness))
    return _domain_loss(critic, *joint, reversal_scale, torch.cat(weights))


def _domain_loss(critic, source, target, reversal_scale, weights):
    scores = critic(reverse_gradient(torch.cat([source, target]), reversal_scale))[:, 0]
    is_source = (torch.arange(len(scores), device=scores.device) < len(source)).to(scores.dtype)
    losses = weights * nn.functional.binary_cross_entropy_with_logits(scores, is_source, reduction="none")
    return (losses[: len(source)].mean() + losses[len(source) :].mean()) / 2


def confusion_loss(scores, temperature=TEMPERATURE):
    """Return the share of a class's probability that goes to other classes, as a tensor ().

    Jin et al. 2020 (Minimum class confusion for versatile domain adaptation): of softened probabilities, rows weighted
    by 1 + exp(-entropy), class by class. The weights are constants, as in their code.

    Arguments
    ---------
    scores: (n, n_classes)
        Of target pictures, before softmax.
    temperature: float
        The scores are divided by it.
    """
    softened = scores / temperature
    probabilities = softened.softmax(dim=1)
    sureness = 1 + torch.exp(-_entropies(softened.detach()))
    correlations = probabilities.T @ (probabilities * (sureness / sureness.mean())[:, None])
    # A class that has no probability at all is confused with none.
    shares = correlations / correlations.sum(dim=1, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
    return (shares.sum() - shares.trace()) / len(shares)


def entropy_loss(scores):
    """Return the mean entropy, in nats, of the softmax of (n, n_classes) scores, as a tensor ().

    What TENT lowers: Wang et al. 2021 (Tent: fully test-time adaptation by entropy minimization).

    >>> round(entropy_loss(torch.zeros(3, 2)).item(), 4)
    0.6931
    """
    return _entropies(scores).mean()


def information_maximisation_loss(scores):
    """Return the mean entropy minus the entropy of the mean, in nats, of the softmax of (n, n_classes) scores.

    Low where each row is sure and the classes come equally often: minus the mutual information of row and class. Liang
    et al. 2020 (Do we really need to access the source data? Source hypothesis transfer for unsupervised domain
    adaptation), after Krause et al. 2010. It is a tensor ().

    >>> round(information_maximisation_loss(torch.tensor([[50.0, 0.0], [0.0, 50.0]])).item(), 4)
    -0.6931
    """
    # In logarithms: the gradient of p log p is not a number where p is 0.
    mean = scores.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(scores))
    return entropy_loss(scores) + (mean.exp() * mean).sum()


def _entropies(scores):
    logarithms = scores.log_softmax(dim=1)
    return -(logarithms.exp() * logarithms).sum(dim=1)
