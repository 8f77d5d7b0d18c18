"""Losses of objectives, most of which bring source and target together: pure functions of tensors to a () tensor."""

import math

import torch
from torch import nn

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
TEMPERATURE = 2.5
_STEEPNESS = 10.0


def ramp(progress):
    """Return 2 / (1 + exp(-10 p)) - 1 for progress p from 0 to 1: a weight that grows from 0 to almost 1."""
    # Ganin et al. 2016: early features aren't worth aligning yet.
    return 2 / (1 + math.exp(-_STEEPNESS * progress)) - 1


def coral_loss(source, target):
    """Return the squared distance of the covariances of (n, d) and (m, d) features over 4 d²; means don't count."""
    # Sun and Saenko 2016 (Deep CORAL).
    difference = torch.cov(source.T) - torch.cov(target.T)
    return (difference**2).sum() / (4 * source.shape[1] ** 2)


def mmd_loss(source, target, bandwidths=BANDWIDTHS):
    """Return the squared MMD of (n, d) and (m, d) features under a sum of Gaussian kernels."""
    # Long et al. 2015 (DAN), who optimise the weights of the kernels; ours are equal, as in their later code. So are
    # the biased estimate, which is never negative, and widths relative to the constant mean squared distance of rows.
    rows = torch.cat([source, target])
    squares = (rows**2).sum(dim=1)
    # Not torch.cdist: its gradient is NaN if two rows are equal.
    distances = (squares[:, None] + squares - 2 * rows @ rows.T).clamp_min(0)
    n_rows, n_source = len(rows), len(source)
    mean = (distances.detach().sum() / (n_rows * (n_rows - 1))).clamp_min(torch.finfo(rows.dtype).tiny)
    kernel = sum(torch.exp(-distances / (bandwidth * mean)) for bandwidth in bandwidths)
    within = kernel[:n_source, :n_source].mean() + kernel[n_source:, n_source:].mean()
    return within - 2 * kernel[:n_source, n_source:].mean()


def reverse_gradient(values, reversal_scale):
    """Return the values unchanged; their gradient is multiplied by -reversal_scale (Ganin et al. 2016)."""
    values = values.view_as(values)
    if values.requires_grad:
        values.register_hook(lambda gradient: -reversal_scale * gradient)
    return values


def domain_loss(critic, source, target, reversal_scale, weights=1.0):
    """Return the weighted cross-entropy of a critic, (k, d) to (k, 1), of source (1) and target (0), both alike."""
    # Ganin et al. 2016 (DANN): the critic lowers this loss, and the features, whose gradient is reversed, raise it.
    scores = critic(reverse_gradient(torch.cat([source, target]), reversal_scale))[:, 0]
    is_source = (torch.arange(len(scores), device=scores.device) < len(source)).to(scores.dtype)
    losses = weights * nn.functional.binary_cross_entropy_with_logits(scores, is_source, reduction="none")
    return (losses[: len(source)].mean() + losses[len(source) :].mean()) / 2


def conditional_domain_loss(critic, source, target, source_scores, target_scores, reversal_scale, *, weighted=True):
    """Return `domain_loss` of the (k, d × n_classes) products of features and class probabilities."""
    # Long et al. 2018 (CDAN), with all products, even over 4,096, and constant probabilities: each class by itself.
    joint, weights = [], []
    for features, scores in ((source, source_scores), (target, target_scores)):
        probabilities = scores.detach().softmax(dim=1)
        joint.append((features[:, :, None] * probabilities[:, None, :]).flatten(1))
        # CDAN+E: confident rows count more, and both domains the same.
        confidence = _weigh_confidence(scores)
        weights.append(confidence if weighted else torch.ones_like(confidence))
    return domain_loss(critic, *joint, reversal_scale, torch.cat(weights))


def _weigh_confidence(scores):
    """Return (n,) weights 1 + exp(-entropy) of (n, n_classes) scores, constant and with mean 1."""
    confidence = 1 + torch.exp(-_measure_entropies(scores.detach()))
    return confidence / confidence.mean()


def confusion_loss(scores, temperature=TEMPERATURE):
    """Return the mean share of a class's probability that falls on other classes, from (m, n_classes) target scores."""
    # Jin et al. 2020 (MCC): of softened probabilities, confident rows weighted more (by constants), class by class.
    softened = scores / temperature
    probabilities = softened.softmax(dim=1)
    correlations = probabilities.T @ (probabilities * _weigh_confidence(softened)[:, None])
    # A class without any probability isn't confused with another.
    shares = correlations / correlations.sum(dim=1, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
    return (shares.sum() - shares.trace()) / len(shares)


def entropy_loss(scores):
    """Return the mean entropy in nats of the softmax of (n, n_classes) scores, which TENT lowers (Wang et al. 2021)."""
    return _measure_entropies(scores).mean()


def information_maximisation_loss(scores):
    """Return minus the mutual information of row and class, in nats, for (n, n_classes) scores."""
    # Liang et al. 2020 (SHOT), after Krause et al. 2010: low if rows are confident and classes equally frequent.
    # In logarithms, since the gradient of p log p is NaN at p = 0.
    mean = scores.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(scores))
    return entropy_loss(scores) + (mean.exp() * mean).sum()


def simsiam_loss(predictions, outputs):
    """Return minus the mean cosine of each view's predictions with the other view's outputs; both are (2, n, d)."""
    # Chen and He 2021 (Exploring simple Siamese representation learning), equations 1 to 4. The outputs are constants
    # (stop-gradient); without it the network soon maps all pictures to one point, which has the smallest loss.
    return -nn.functional.cosine_similarity(predictions, outputs.detach().flip(0), dim=2).mean()


def _measure_entropies(scores):
    """Return the (n,) entropies in nats of the softmax of (n, n_classes) scores."""
    logarithms = scores.log_softmax(dim=1)
    return -(logarithms.exp() * logarithms).sum(dim=1)
