"""The known ways to adapt to another domain by name, each a strategy with its paper."""

import dataclasses

from tlkit.adaptation.adabn_tent import finish_on_target
from tlkit.adaptation.solved_objectives import METHODS
from tlkit.adaptation.trained_objectives import Cdan, Dan, Dann, DeepCoral, Mcc
from tlkit.arguments import suggest
from tlkit.strategies.catalogue import Known
from tlkit.strategies.strategy import Phase, Strategy

# Of all methods that tune a network, so that none has longer than the baseline.
N_EPOCHS = 6
# What lies before these is computed once for both domains, and so costs one pass over each picture. Of an
# EfficientNet they are the larger half of the work, and of a ResNet all but the stem.
STAGES = (-4, -3, -2, -1)

_HEAD = Phase(["head"], None)
_TUNE = Phase([*STAGES, "head"], N_EPOCHS, 2e-4)

# Strengths, rate and stages were chosen on clipart → photo and photo → sketch, by pictures of the source held out and
# by the information maximised on the target, not by the target's labels.
_OBJECTIVES = [
    (
        "deep_coral",
        DeepCoral(0.1),
        "Sun and Saenko 2016 (Deep CORAL: correlation alignment for deep domain adaptation); here on the features",
        "where domains differ in how features spread; it can shrink all features instead of aligning them",
    ),
    (
        "dan",
        Dan(0.3),
        "Long et al. 2015 (Learning transferable features with deep adaptation networks); here one layer and a fixed "
        "mixture of kernels",
        "aligns whole distributions, and so suffers where the domains hold other shares of the classes",
    ),
    (
        "dann",
        Dann(0.1),
        "Ganin et al. 2016 (Domain-adversarial training of neural networks)",
        "needs many pictures and steps: with a few hundred the game of network and critic seldom settles",
    ),
    (
        "cdan",
        Cdan(0.1),
        "Long et al. 2018 (Conditional adversarial domain adaptation), weighted by entropy",
        "as dann, but class by class: better where predictions on the target are mostly right already",
    ),
    (
        "mcc",
        Mcc(1.0),
        "Jin et al. 2020 (Minimum class confusion for versatile domain adaptation)",
        "a default without a critic; it makes wrong predictions sure as well as right ones",
    ),
]
# The same head on frozen features, solved with what is known of the target's.
_SOLVED = {
    "align_mean": (
        "the first moment alone, as in Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation)",
        "seconds; enough where domains differ by a shift, as by brightness",
    ),
    "align_scale": (
        "the first moment and the spread of each feature, as standardising each domain by itself does",
        "seconds; most of what CORAL wins, with less that can go wrong where pictures are few",
    ),
    "coral": (
        "Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation)",
        "seconds, and hard to beat without training the network",
    ),
    "subspace": (
        "Fernando et al. 2013 (Unsupervised visual domain adaptation using subspace alignment)",
        "for few pictures of many features, of which most are noise",
    ),
    "transport": (
        "Courty et al. 2017 (Optimal transport for domain adaptation)",
        "moves pictures one by one, and so takes the shares of the classes for the same in both domains",
    ),
    "importance": (
        "Shimodaira 2000 (Improving predictive inference under covariate shift by weighting the log-likelihood "
        "function)",
        "only where the source holds pictures that look like the target's, of which it then makes more",
    ),
    "priors": (
        "Saerens, Latinne and Decaestecker 2002 (Adjusting the outputs of a classifier to new a priori probabilities)",
        "only where classes come more or less often and look the same; elsewhere the estimate misleads",
    ),
    "coral_self_training": (
        "Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation), then rounds of learning from the "
        "surest pictures of the target, as in Lee 2013 (Pseudo-label)",
        "the best of those that train no network on the bundled domains; mistakes that are sure stay",
    ),
}
_SELF_TRAINED = dataclasses.replace(_HEAD, objective=METHODS["coral_self_training"])
_KNOWN = [
    Known(
        Strategy([_HEAD], name="source_only"),
        "the baseline: a linear probe of the source, the target never seen",
        "what is lost between the domains; adaptation is worth what it wins back of it",
    ),
    Known(
        Strategy([_HEAD, _TUNE], name="source_only_tuned"),
        "the baseline of the methods that tune: on the source as they do, the target never seen",
        "better than the probe where the domains are near, no better or worse where they are far",
    ),
    *(
        Known(Strategy([dataclasses.replace(_HEAD, objective=METHODS[name])], name=name), paper, expect)
        for name, (paper, expect) in _SOLVED.items()
    ),
    Known(
        Strategy([_HEAD, dataclasses.replace(_TUNE, norm_statistics="moving")], finish=finish_on_target, name="adabn"),
        "Li et al. 2018 (Adaptive batch normalization for practical domain adaptation); here in the stages that are "
        "tuned, with statistics that move meanwhile",
        "where pictures differ in contrast and line, as photographs and sketches do; elsewhere it can cost more than "
        "it wins, the more where classes come in other shares",
    ),
    *(
        Known(Strategy([_HEAD, dataclasses.replace(_TUNE, objective=objective)], name=name), paper, expect)
        for name, objective, paper, expect in _OBJECTIVES
    ),
    Known(
        Strategy(
            [_SELF_TRAINED, dataclasses.replace(_TUNE, objective=Mcc(1.0)), _SELF_TRAINED], name="mcc_self_training"
        ),
        "Jin et al. 2020 (Minimum class confusion for versatile domain adaptation), begun from the head of "
        "coral_self_training, which is then solved again on the features that have come about",
        "the best of all on the bundled domains, most where pictures differ most; a minute or two a pair",
    ),
]
_BY_NAME = {known.strategy.name: known for known in _KNOWN}


def names():
    """Return the names of the known ways to adapt; "source_only" is the baseline."""
    return list(_BY_NAME)


def get(method):
    """Return the `Strategy` of that name; a `Strategy` is returned as it is.

    >>> get("dann").phases[-1].objective
    Dann(loss_weight=0.1, n_hidden=128)
    """
    if isinstance(method, Strategy):
        return method
    return find(method).strategy


def find(name):
    """Return the catalogue's entry of that name, with its paper; ValueError with the nearest name."""
    if not isinstance(name, str) or name not in _BY_NAME:
        raise ValueError(f"method: {name!r}, expected a Strategy or the name of one; {suggest(name, _BY_NAME)}")
    return _BY_NAME[name]
