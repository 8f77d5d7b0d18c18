"""A strategy is a list of phases; a phase says which stages learn, how fast and for how long. Without torch."""

import collections.abc
import dataclasses
import functools
import math

KEYWORDS = ("all", "head", "norm", "bias", "adapter")
NORM_STATISTICS = ("frozen", "moving")


@dataclasses.dataclass(frozen=True)
class Phase:
    """One part of a training.

    Arguments
    ---------
    train: list of str or int
        What learns: "all", "head", "norm" (parameters of all norm layers), "bias" (all biases), "adapter" (what
        `prepare` inserted beside the pretrained weights), names of stages, or negative integers (-1 is the last stage),
        so that no network need be named.
    n_epochs: int or None
        None solves the head to convergence and goes only with `train=["head"]`.
    learning_rate: float or dict
        A dict has the keys of `train`; where several hold for a parameter, the narrowest does.
    augment: str, or list of str, optional
        One or several of `tlkit.strategies.augmentation.POLICIES`, which change each picture, and one of its `MIXINGS`,
        which mix the pictures of a step and their labels. With label smoothing the mixed labels are smoothed; with
        `balance` "weights" each class's part of a label counts with its weight, and the sum is divided by the weights
        of the mixed labels.
    penalty: callable, optional
        `penalty(backbone, start)` is added to the loss; `start` maps names to the parameters as they were.
    objective: object, optional
        What brings source and target domain nearer, as those of `tlkit.adaptation`; it needs `transfer(…, target=…)`.
        For epochs it is callable: `objective(source, target, critic, progress)` is added to the loss of each step, each
        domain a `tlkit.training.step.Seen`, progress from 0 to 1 over the phase. Where it has
        `make_critic(n_features, n_classes, seed)`, what that returns, a module or None, is the critic: made anew for
        the phase, and trained along at the learning rate of the head. For a head that is solved it has
        `solve(source_values, labels, target_values, n_classes, seed)`, which returns the head's (weight, bias).
    norm_statistics: "frozen" or "moving"
        Whether the running statistics of the norm layers in trained stages follow the pictures. Those of frozen stages
        never do.

    Raises ValueError or TypeError for what can't be trained.
    """

    train: tuple
    n_epochs: int | None
    learning_rate: float | dict | None = None
    augment: str | tuple | None = None
    penalty: object = None
    objective: object = None
    norm_statistics: str = "frozen"

    def __post_init__(self):
        train = (self.train,) if isinstance(self.train, (str, int)) else tuple(self.train)
        object.__setattr__(self, "train", train)
        if not train:
            raise ValueError('train: empty, expected something that learns, as in ["head"]')
        for key in train:
            if isinstance(key, bool) or not isinstance(key, (str, int)) or (isinstance(key, int) and key >= 0):
                raise ValueError(
                    f"train: {key!r}, expected one of {', '.join(KEYWORDS)}, a stage or a negative integer"
                )
        if self.norm_statistics not in NORM_STATISTICS:
            raise ValueError(f"norm_statistics: {self.norm_statistics!r}, expected one of {', '.join(NORM_STATISTICS)}")
        if self.n_epochs is None:
            if train != ("head",):
                raise ValueError(f'n_epochs: None solves the head and goes with train=["head"] only, not {list(train)}')
            if self.augment or self.penalty:
                raise ValueError("n_epochs: None solves the head, which knows no augment and no penalty")
            if self.objective is not None and not hasattr(self.objective, "solve"):
                raise ValueError(
                    f"objective: {self.objective!r} has no `solve`, which n_epochs=None needs: take one that has, as "
                    "in tlkit.adaptation.solved_objectives, or a number of epochs"
                )
            return
        if isinstance(self.n_epochs, bool) or not isinstance(self.n_epochs, int) or self.n_epochs < 1:
            raise ValueError(f"n_epochs: {self.n_epochs!r}, expected a whole number of at least 1, or None")
        if self.objective is not None and not callable(self.objective):
            raise ValueError(
                f"objective: {self.objective!r} can't be called with what a step sees, which epochs need: take one "
                "that can, as in tlkit.adaptation.trained_objectives, or n_epochs=None where it has `solve`"
            )
        self._check_learning_rate()
        if self.augment is not None:
            self._check_augment()

    def _check_learning_rate(self):
        if isinstance(self.learning_rate, dict):
            keys = {str(key): key for key in self.train}  # JSON, which a description may come from, makes text of -1
            rates = {keys.get(key, key): rate for key, rate in self.learning_rate.items()}
        else:
            rates = dict.fromkeys(self.train, self.learning_rate)
        if set(rates) != set(self.train):
            raise ValueError(f"learning_rate: has {list(rates)}, expected the keys of train, {list(self.train)}")
        for key, rate in rates.items():
            if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
                raise ValueError(f"learning_rate: {rate!r} for {key!r}, expected a number above 0")
        object.__setattr__(self, "learning_rate", rates)

    def _check_augment(self):
        from tlkit.strategies.augmentation import check_policies, split_policies

        object.__setattr__(self, "augment", check_policies(self.augment))
        mixing = split_policies(self.augment)[1]
        if mixing and self.objective is not None:
            raise ValueError(
                f"augment: {mixing!r} mixes labels, and an objective wants each picture's own: leave one of them out"
            )

    def describe(self):
        """Return the phase as plain values that JSON can hold; functions by their names and settings."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _describe(value) for name, value in values.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A list of phases, with what comes before and after them.

    Arguments
    ---------
    phases: list of Phase
    prepare: callable, optional
        `prepare(backbone, seed)` returns the backbone that the phases train, as from scratch does.
    finish: callable, optional
        `finish(training)` changes the trained network in place; `training` is the `Training` that ends. One that has a
        true attribute `needs_target` uses `training.target`, the pictures of a target domain.
    adjust: callable, optional
        `adjust(phases, backbone, n_train)` returns the phases for a network and a number of training pictures, where
        they depend on these, as a schedule that unfreezes stage by stage does.
    name: str
    """

    phases: tuple
    prepare: object = None
    finish: object = None
    adjust: object = None
    name: str = "own"

    def __post_init__(self):
        phases = (self.phases,) if isinstance(self.phases, Phase) else self.phases
        if not isinstance(phases, collections.abc.Iterable) or not (phases := tuple(phases)):
            raise ValueError(f"phases: {self.phases!r}, expected a list of at least one Phase")
        for phase in phases:
            if not isinstance(phase, Phase):
                raise TypeError(f"phases: {phase!r}, expected a Phase")
        object.__setattr__(self, "phases", phases)

    def adjusted(self, backbone, n_train):
        """Return the strategy with the phases that it has for a `Backbone` and a number of training pictures."""
        if self.adjust is None:
            return self
        return dataclasses.replace(self, phases=self.adjust(self.phases, backbone, n_train), adjust=None)

    def resolve(self, backbone):
        """Return for each phase the names of what learns: stages in forward order, then the other keywords.

        Arguments
        ---------
        backbone: Backbone

        Raises ValueError for a stage that the backbone doesn't have.
        """
        return [resolve_keys(phase.train, backbone) for phase in self.phases]

    def tunes(self, backbone):
        """Say whether the phases change anything but the head."""
        return self.finish is not None or any(set(names) != {"head"} for names in self.resolve(backbone))

    def needs_target(self):
        """Say whether an objective or `finish` needs pictures of a target domain."""
        return getattr(self.finish, "needs_target", False) or any(phase.objective for phase in self.phases)

    def describe(self):
        """Return the strategy as plain values that JSON can hold; functions by their names and settings."""
        values = {"name": self.name, "phases": [phase.describe() for phase in self.phases]}
        steps = {"prepare": self.prepare, "finish": self.finish, "adjust": self.adjust}
        return values | {name: _describe(step) for name, step in steps.items() if step is not None}


def _describe(value):
    if isinstance(value, functools.partial):
        return {"function": value.func.__name__} | value.keywords
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"function": type(value).__name__} | fields
    return getattr(value, "__name__", value)


def resolve_keys(keys, backbone):
    """Return the names that the keys of a phase stand for in a backbone, stages first and in forward order."""
    stages = set()
    for key in keys:
        if key == "all":
            stages.update(backbone.stages)
        elif key not in KEYWORDS:
            stages.add(backbone.stages[backbone.find_stage(key)])
    named = ["head"] if {"head", "all"} & set(keys) else []
    named += [key for key in ("norm", "bias", "adapter") if key in keys]
    return [stage for stage in backbone.stages if stage in stages] + named
