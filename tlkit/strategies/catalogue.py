"""The known strategies by name, each a list of phases, with its paper."""

import dataclasses

from tlkit.naming import suggest
from tlkit.strategies.preparing import finish_norm_statistics, reinitialise
from tlkit.strategies.strategy import Phase, Strategy

# Fine-tuning for this many epochs; from scratch may use five times their steps.
N_EPOCHS = 6

_HEAD = Phase(["head"], None)
# The head is new and must move further than what it stands on.
_TUNE = Phase(["all", "head"], N_EPOCHS, {"all": 2e-4, "head": 2e-3})
_TUNE_AFTER_PROBE = Phase(["all"], N_EPOCHS, 2e-4)
_SCRATCH = Phase(["all"], 5 * N_EPOCHS, 3e-3, augment="crop", norm_statistics="moving")


@dataclasses.dataclass(frozen=True)
class Known:
    """A strategy of the catalogue with its source and what to expect of it."""

    strategy: Strategy
    paper: str
    expect: str


_KNOWN = [
    Known(
        Strategy([_SCRATCH], reinitialise, finish_norm_statistics, name="from_scratch"),
        "the baseline; five times the steps of fine-tuning, after Kornblith et al. 2019 (Do better ImageNet models "
        "transfer better?), who give it longer too",
        "needs many pictures; with a few a class it learns little",
    ),
    Known(
        Strategy([_HEAD], name="linear_probe"),
        "Alain and Bengio 2016 (Understanding intermediate layers using linear classifier probes)",
        "fast and hard to beat with few pictures; limited by what the frozen features show",
    ),
    Known(
        Strategy([_TUNE], name="fine_tune"),
        "Yosinski et al. 2014 (How transferable are features in deep neural networks?); here with frozen norm layers",
        "best with many pictures; with few, what it forgets can outweigh what it learns",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], name="lp_ft"),
        "Kumar et al. 2022 (Fine-tuning can distort pretrained features and underperform out-of-distribution)",
        "keeps more of the pretrained features than fine-tuning from a random head",
    ),
]
_BY_NAME = {known.strategy.name: known for known in _KNOWN}


def names():
    """Return the names of the known strategies."""
    return list(_BY_NAME)


def get(strategy):
    """Return the `Strategy` of that name; a `Strategy` is returned as it is.

    >>> get("lp_ft").phases[0].train
    ('head',)
    """
    if isinstance(strategy, Strategy):
        return strategy
    return find(strategy).strategy


def find(name):
    """Return the catalogue's entry of that name, with its paper; ValueError with the nearest name."""
    if name not in _BY_NAME:
        raise ValueError(f"strategy: {name!r}, expected a Strategy or the name of one; {suggest(name, _BY_NAME)}")
    return _BY_NAME[name]
