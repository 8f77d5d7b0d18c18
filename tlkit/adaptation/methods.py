"""The known adaptation methods by name, each a strategy with its paper."""

import dataclasses

from tlkit.adaptation.solved_methods import METHODS, SOLVED
from tlkit.adaptation.source_free import finish_on_target
from tlkit.adaptation.trained_objectives import Cdan, Dan, Dann, DeepCoral, Mcc
from tlkit.strategies.catalogue import Catalogue, Known
from tlkit.strategies.strategy import Phase, Strategy

# The same for all methods that tune a network, so that none trains longer than the baseline.
N_EPOCHS = 6
# The stages before these are computed once per picture: most of an EfficientNet, but only the stem of a ResNet.
STAGES = (-4, -3, -2, -1)

_HEAD = Phase(["head"], None)
_TUNE = Phase([*STAGES, "head"], N_EPOCHS, 2e-4)
_MCC = dataclasses.replace(_TUNE, objective=Mcc(1.0))

# Chosen without the target's labels, on clipart → photo and photo → sketch, by source accuracy and information.
_TRAINED = {
    "deep_coral": (
        DeepCoral(0.1),
        "Sun and Saenko 2016 (Deep CORAL: correlation alignment for deep domain adaptation); here on the features",
        "helps if domains differ in the spread of features; it can shrink all features instead of aligning them",
    ),
    "dan": (
        Dan(0.3),
        "Long et al. 2015 (Learning transferable features with deep adaptation networks); here one layer and a fixed "
        "mixture of kernels",
        "aligns whole distributions, and so suffers if class shares differ between domains",
    ),
    "dann": (
        Dann(0.1),
        "Ganin et al. 2016 (Domain-adversarial training of neural networks)",
        "needs many pictures and steps: with a few hundred, the game of network and critic seldom settles",
    ),
    "cdan": (
        Cdan(0.1),
        "Long et al. 2018 (Conditional adversarial domain adaptation), weighted by entropy",
        "as dann, but class by class: better if most predictions on the target are already right",
    ),
    "mcc": (
        Mcc(1.0),
        "Jin et al. 2020 (Minimum class confusion for versatile domain adaptation)",
        "a default without a critic; it makes wrong predictions as confident as right ones",
    ),
}


def _solve_with(name):
    """Return the phase that solves the head with the objective of that name."""
    return dataclasses.replace(_HEAD, objective=METHODS[name])


_SELF_TRAINED = _solve_with("coral_self_training")
_KNOWN = [
    Known(Strategy([_HEAD], name="source_only"), *SOLVED["source_only"][1:]),
    Known(
        Strategy([_HEAD, _TUNE], name="source_only_tuned"),
        "the baseline of the methods that tune: trained on the source as they are, without the target",
        "better than the probe if the domains are near, no better or worse if they are far",
    ),
    *(
        Known(Strategy([_solve_with(name)], name=name), paper, expect)
        for name, (_objective, paper, expect) in SOLVED.items()
        if name != "source_only"
    ),
    Known(
        Strategy([_HEAD, dataclasses.replace(_TUNE, norm_statistics="moving")], finish=finish_on_target, name="adabn"),
        "Li et al. 2018 (Adaptive batch normalization for practical domain adaptation); here in the tuned stages, with "
        "moving statistics during training",
        "helps if pictures differ in contrast and line, as photographs and sketches do; otherwise it can cost more "
        "than it gains, above all if class shares differ",
    ),
    *(
        Known(Strategy([_HEAD, dataclasses.replace(_TUNE, objective=objective)], name=name), paper, expect)
        for name, (objective, paper, expect) in _TRAINED.items()
    ),
    Known(
        Strategy([_SELF_TRAINED, _MCC, _SELF_TRAINED], name="mcc_self_training"),
        "Jin et al. 2020 (Minimum class confusion for versatile domain adaptation), starting from the head of "
        "coral_self_training, which is then solved again on the tuned features",
        "the best of all on the bundled domains, most if pictures differ most; a minute or two per pair",
    ),
]
_CATALOGUE = Catalogue("method", _KNOWN)
names, get, find = _CATALOGUE.names, _CATALOGUE.get, _CATALOGUE.find
