"""A strategy is a list of phases; a phase states which stages train, how fast and for how long. Without torch."""

import collections.abc
import dataclasses
import functools
import numbers
from typing import Any

from tlkit.arguments import check_count, check_known, check_number
from tlkit.names import KEYWORDS, spell_stage

NORM_STATISTICS = ("frozen", "moving")


@dataclasses.dataclass(frozen=True)
class Phase:
    """Describe one part of a training: what trains, for how long and how fast.

    Parameters
    ----------
    train : list of str or int
        What trains: "all", "head", "norm" (the parameters of all norm layers), "bias" (all biases), "adapter" (the
        adapters that `prepare` inserted), names of stages, or negative integers. -1 is the last stage of any network.
        A stage that is called like one of these keywords is "stage:norm", for example, or has its number.
    n_epochs : int or None
        Number of epochs. None solves the head to convergence and requires `train=["head"]`.
    learning_rate : float or dict, optional
        One rate, or a dict with the keys of `train`, the narrowest of which applies; none if the head is solved.
    augment : str or list of str, optional
        Names of augmentation policies (`tlkit.strategies.augmentation.POLICIES`), and at most one of "mixup" and
        "cutmix". Label smoothing and weights of classes also apply to mixed labels.
    penalty : callable, optional
        Added to the loss: `penalty(backbone, start)`. `start` maps names to the parameters at the start of the phase.
    objective : object, optional
        Brings source and target domain closer, such as those of `tlkit.adaptation`; requires `transfer(…, target=…)`.
        `tlkit.adaptation.SimSiam` learns without labels instead, from the pictures of `target` or else of the training.
    norm_statistics : {"frozen", "moving"}
        Whether the running statistics of norm layers in trained stages are updated. Those of frozen stages never are.

    Raises
    ------
    ValueError
        If the values do not describe a training, or do not go together.

    Notes
    -----
    An objective of epochs is callable: `objective(source, target, critic, progress)` is added to the loss of each step.
    `source` and `target` are `tlkit.training.step.DomainBatch`; `progress` runs from 0 to 1 over the phase. If the
    objective has `make_critic(n_features, n_classes, seed)`, the module that it returns trains along at the learning
    rate of the head. An objective of a solved head has `solve(source_values, labels, target_values, n_classes, seed)`,
    which returns the (weight, bias) of the head. Further attributes are optional:

    - `source_free = True`: the phase sees the target alone, `source` is None, and the objective is the whole loss.
    - `constant_rate = True`: the learning rate stays the same over the phase.
    - `restrict(backbone)`: freezes more of the backbone after the phase was applied.
    - `label_target(features, probabilities)`: returns pseudo-labels of the target before each epoch, `target.labels`.
    - `self_supervised = True`, with `source_free`: `target` holds two views of each picture, first views first.
    - `report(critic)`: further columns of the history, after each epoch. `check_phase(phase)`: refuses other phases.

    Augmentation policies:

    - "flip": mirrors left and right, half of the time.
    - "crop", "crop_wide": also cut out 0.6 to 1, or 0.35 to 1, of the area; of a text, such a share of its words.
    - "colour": changes brightness, contrast and saturation by up to 40 %, and the hue by up to a tenth of the circle.
    - "rand_augment": two of fourteen changes, at magnitude 9 of 30 [1]_; it also turns, shears and fills with black.
    - "trivial_augment": one such change at any magnitude [2]_.
    - "blur": Gaussian, with a standard deviation of up to a fortieth of the side.
    - "gray", "invert": remove the colours, or make the negative, half of the time.
    - "mixup": the mean of two pictures, weighted by a share [3]_. "cutmix": a rectangle of another picture [4]_. Each
      batch draws one share, from a beta distribution with both parameters 0.2 (mixup) or 1 (cutmix).

    - "word_dropout", for texts alone: drops words (or characters) with probability 0.3, never all [5]_.

    References
    ----------
    .. [1] Cubuk et al. 2020, RandAugment: practical automated data augmentation with a reduced search space.
    .. [2] Müller and Hutter 2021, TrivialAugment: tuning-free yet state-of-the-art data augmentation.
    .. [3] Zhang et al. 2018, mixup: beyond empirical risk minimization.
    .. [4] Yun et al. 2019, CutMix: regularization strategy to train strong classifiers with localizable features.
    .. [5] Iyyer et al. 2015, Deep unordered composition rivals syntactic methods for text classification.

    Examples
    --------
    >>> Phase([-2, -1, "head"], 6, {-2: 2e-4, -1: 2e-4, "head": 2e-3}).train
    (-2, -1, 'head')
    """

    train: collections.abc.Sequence[str | int]
    n_epochs: int | None
    learning_rate: float | dict[Any, float] | None = None
    augment: str | collections.abc.Sequence[str] | None = None
    penalty: Any = None
    objective: Any = None
    norm_statistics: str = "frozen"

    def __post_init__(self):
        train = (self.train,) if isinstance(self.train, (str, numbers.Integral)) else tuple(self.train)
        if not train:
            raise ValueError('train: empty, expected at least one part that trains, for example ["head"]')
        for key in train:
            if isinstance(key, bool) or not (isinstance(key, str) or (isinstance(key, numbers.Integral) and key < 0)):
                raise ValueError(f"train: {key!r}, expected {', '.join(KEYWORDS)}, a stage or a negative integer")
        train = tuple(key if isinstance(key, str) else int(key) for key in train)
        object.__setattr__(self, "train", train)
        check_known("norm_statistics", [self.norm_statistics], NORM_STATISTICS)
        if self.n_epochs is None:
            if train != ("head",):
                raise ValueError(f'n_epochs: None solves the head: take train=["head"], not {list(train)}, or a number')
            for name in ("learning_rate", "augment", "penalty", "norm_statistics"):
                if (value := getattr(self, name)) not in (None, "frozen"):
                    raise ValueError(f"{name}: {value!r}, but n_epochs=None solves the head, which takes none")
            if self.objective is not None and not hasattr(self.objective, "solve"):
                advice = "take one of tlkit.adaptation.solved_objectives, or a number of epochs"
                raise ValueError(f"objective: {self.objective!r} has no `solve`, which n_epochs=None needs: {advice}")
            return
        object.__setattr__(self, "n_epochs", check_count("n_epochs", self.n_epochs, 1))
        if self.objective is not None and not callable(self.objective):
            raise ValueError(
                f"objective: {self.objective!r} can't be called in a training step, which epochs need: take one of "
                "tlkit.adaptation, such as SimSiam(), or n_epochs=None if it has `solve`"
            )
        self._check_learning_rate()
        if self.augment is not None:
            self._check_augment()
        if check := getattr(self.objective, "check_phase", None):
            check(self)

    def _check_learning_rate(self):
        """Turn the learning rate into a dict with the keys of `train`, and refuse values that are no rates."""
        if isinstance(self.learning_rate, dict):
            keys = {str(key): key for key in self.train}  # a description may come from JSON, which turns -1 into "-1"
            rates = {keys.get(str(key), key): rate for key, rate in self.learning_rate.items()}
        else:
            rates = dict.fromkeys(self.train, self.learning_rate)
        if set(rates) != set(self.train):
            raise ValueError(f"learning_rate: has {list(rates)}, expected the keys of train, {list(self.train)}")
        rates = {key: check_number(f"learning_rate[{key!r}]", rate, above=0) for key, rate in rates.items()}
        object.__setattr__(self, "learning_rate", rates)

    def _check_augment(self):
        """Turn the augmentation into a name or a tuple of names, and refuse mixed labels with an objective."""
        from tlkit.strategies.augmentation import check_policies, split_policies

        object.__setattr__(self, "augment", check_policies(self.augment))
        mixing = split_policies(self.augment)[1]
        if mixing and self.objective is not None:
            raise ValueError(f"augment: {mixing!r} mixes labels, but an objective needs the label of each: use one")

    def describe(self) -> dict[str, Any]:
        """Return the phase as plain values that JSON can store.

        Returns
        -------
        dict
            The fields that are set; functions by their names and settings.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _describe(value) for name, value in values.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Strategy:
    """Describe a training as a list of phases, with optional steps before and after them.

    Parameters
    ----------
    phases : list of Phase
        Trained one after the other.
    prepare : callable, optional
        `prepare(backbone, seed)` returns the backbone that the phases train, with random numbers of the run.
    finish : callable, optional
        `finish(training)` changes the trained network in place; `training` is the `Training` that ends. If the function
        has a true attribute `needs_target`, it may use `training.target`, the pictures of a target domain.
    adjust : callable, optional
        `adjust(phases, backbone, n_train)` returns the phases for a network and a number of training pictures.
    name : str
        Name in tables and plots.

    Raises
    ------
    TypeError, ValueError
        If a phase is not a `Phase`, or there are neither phases nor `finish`.

    Examples
    --------
    >>> own = Strategy([Phase(["head"], None), Phase([-1, "head"], 5, 2e-4)], name="last_stage")
    >>> own.describe()["phases"][1]["n_epochs"]
    5
    """

    phases: collections.abc.Sequence[Phase]
    prepare: Any = None
    finish: Any = None
    adjust: Any = None
    name: str = "own"

    def __post_init__(self):
        phases = (self.phases,) if isinstance(self.phases, Phase) else self.phases
        phases = tuple(phases) if isinstance(phases, collections.abc.Iterable) else ()
        if not (phases or self.finish):
            raise ValueError(f"phases: {self.phases!r}, expected a list of at least one Phase")
        if wrong := [phase for phase in phases if not isinstance(phase, Phase)]:
            raise TypeError(f"phases: {wrong[0]!r}, expected a Phase")
        object.__setattr__(self, "phases", phases)

    def resolve(self, backbone: Any) -> list[list[str]]:
        """Return the names of the trained parts per phase.

        Parameters
        ----------
        backbone : Backbone
            Network whose stages are named.

        Returns
        -------
        list of list of str
            Per phase: stages in forward order ("stage:norm" if the name is a keyword), then the other keywords.

        Raises
        ------
        ValueError
            If the network has no such stage, or takes texts and an augmentation is for pictures, or conversely.
        """
        from tlkit.strategies.augmentation import check_medium

        for phase in self.phases:
            check_medium(phase.augment, backbone.recipe.noun)
        return [resolve_keys(phase.train, backbone) for phase in self.phases]

    def describe(self) -> dict[str, Any]:
        """Return the strategy as plain values that JSON can store.

        Returns
        -------
        dict
            Name, phases and steps; functions by their names and settings.
        """
        values = {"name": self.name, "phases": [phase.describe() for phase in self.phases]}
        steps = {"prepare": self.prepare, "finish": self.finish, "adjust": self.adjust}
        return values | {name: _describe(step) for name, step in steps.items() if step is not None}


def _describe(value):
    """Return a value as JSON can store it: a function as its name, with its settings if it has some."""
    if isinstance(value, functools.partial):
        return {"function": value.func.__name__} | value.keywords
    if dataclasses.is_dataclass(value) and not hasattr(value, "__name__"):  # a `Step` is named as a function is
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"function": type(value).__name__} | fields
    return getattr(value, "__name__", value)


def adjust_phases(strategy, backbone, n_train):
    """Return the strategy with its phases for one network and number of training pictures."""
    if strategy.adjust is None:
        return strategy
    return dataclasses.replace(strategy, phases=strategy.adjust(strategy.phases, backbone, n_train), adjust=None)


def changes_backbone(strategy, backbone):
    """Return whether the strategy changes more than the head of a backbone."""
    return any(set(names) != {"head"} for names in strategy.resolve(backbone)) or strategy.finish is not None


def needs_target(strategy):
    """Return whether an objective or `finish` needs pictures of a target domain."""
    needed = any(phase.objective and not is_self_supervised(phase) for phase in strategy.phases)
    return needed or getattr(strategy.finish, "needs_target", False)


def is_self_supervised(phase):
    """Return whether a phase learns from two views of each picture, without labels and without the head."""
    return getattr(phase.objective, "self_supervised", False)


def resolve_keys(keys, backbone):
    """Return the names that the keys of a phase stand for in a backbone, stages first and in forward order."""
    stages = set()
    for key in keys:
        if key == "all":
            stages.update(range(len(backbone.stages)))
        elif key not in KEYWORDS:
            stages.add(backbone.find_stage(key))
    named = ["head"] if {"head", "all"} & set(keys) else []
    named += [key for key in ("norm", "bias", "adapter") if key in keys]
    return [spell_stage(backbone.stages[index]) for index in sorted(stages)] + named
