"""Learning rates that fall from the head down to the first stage. Without torch."""

import math

from tlkit.strategies.strategy import KEYWORDS

DISCRIMINATIVE = 1 / 2.6
LAYER_DECAY = 0.75


def decay_learning_rates(stages, learning_rate, decay=DISCRIMINATIVE):
    """Return a learning rate for the head and for each stage, each stage's a fixed share of the next one's.

    What the first stages know, edges and textures, serves most tasks and should move least. Howard and Ruder 2018
    (Universal language model fine-tuning for text classification) call this discriminative fine-tuning and divide by
    2.6 from layer to layer. Clark et al. 2020 (ELECTRA) and Bao et al. 2022 (BEiT) call it layer-wise learning rate
    decay and multiply by 0.65 to 0.9. Both give `learning_rate * decay ** k`, k counted from the head. We count
    stages, of which each holds many layers, so the same `decay` falls less steeply here than in those papers.

    Arguments
    ---------
    stages: Backbone, or sequence of str
        Those that learn, in forward order, as `backbone.stages[2:]`; what is not among them stays frozen.
    learning_rate: float
        Of the head.
    decay: float
        Above 0, at most 1: `DISCRIMINATIVE` (1 / 2.6), `LAYER_DECAY` (0.75), or another.

    Returns a dict of str to float, in forward order with "head" at the end, for a `Phase`:
    `Phase(list(rates), n_epochs, rates)`.

    Raises ValueError or TypeError for what is no stage and for a rate or decay out of range.

    >>> decay_learning_rates(["stage1", "stage2"], 0.004, decay=0.5)
    {'stage1': 0.001, 'stage2': 0.002, 'head': 0.004}
    """
    names = list(getattr(stages, "stages", [stages] if isinstance(stages, str) else stages))
    for name in names:
        if not isinstance(name, str) or name in KEYWORDS or names.count(name) > 1:
            raise ValueError(f"stages: {name!r} in {names}, expected names of stages, each once, as backbone.stages")
    if not names:
        raise ValueError('stages: empty, expected names of stages; for the head alone take Phase(["head"], …)')
    _check_number("learning_rate", learning_rate, math.inf)
    _check_number("decay", decay, 1)
    n_stages = len(names)
    rates = {name: learning_rate * decay ** (n_stages - place) for place, name in enumerate(names)}
    return rates | {"head": learning_rate}


def _check_number(argument, value, largest):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument}: {value!r}, expected a number")
    if not 0 < value <= largest or value == math.inf:
        limit = f", at most {largest}" if largest < math.inf else ""
        raise ValueError(f"{argument}: {value!r}, expected a number above 0{limit}")
