"""Phases that depend on the network or on the number of pictures: functions for a strategy's `adjust`. Without torch.

Each function takes the phases, a backbone and the number of training pictures, and returns phases, those that train
"all" changed. Settings are keywords, for a `functools.partial` as `adjust`, which a run can store.
"""

import dataclasses
import math
from typing import Any

from tlkit.arguments import check_count, check_known, check_number
from tlkit.names import spell_stage

BLOCKS = ("first", "middle", "last")
DISCRIMINATIVE = 1 / 2.6
LAYER_DECAY = 0.75

# Number of pictures in all training steps together, 500 steps of 8, and the limits of the number of epochs.
N_SEEN = 4000
FEWEST_EPOCHS, MOST_EPOCHS = 6, 12


def decay_learning_rates(stages: Any, learning_rate: float, decay: float = DISCRIMINATIVE) -> dict[str, float]:
    """Return a learning rate for the head and for each stage, falling towards the first stage.

    The first stages detect edges and textures, which serve most tasks, so they should change least.

    Parameters
    ----------
    stages : Backbone or sequence of str
        Stages that train, in forward order, for example `backbone.stages[2:]`. All others stay frozen.
    learning_rate, decay : float
        Rate of the head, above 0, and rate of a stage as a share of the next one's: above 0, at most 1.

    Returns
    -------
    dict of str to float
        In forward order with "head" at the end, for a phase: `Phase(list(rates), n_epochs, rates)`.

    Raises
    ------
    TypeError, ValueError
        If a stage is not a name, or a number is none or out of range.

    Notes
    -----
    Discriminative fine-tuning [1]_ divides the rate by 2.6 from layer to layer (`DISCRIMINATIVE`). Layer-wise decay
    [2]_ [3]_ multiplies it by 0.65 to 0.9 (`LAYER_DECAY` is 0.75). Both give `learning_rate * decay ** k`, with k
    counted from the head. We count stages, which hold many layers, so the same `decay` falls less steeply here.

    References
    ----------
    .. [1] J. Howard and S. Ruder, "Universal language model fine-tuning for text classification", ACL 2018.
    .. [2] K. Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", ICLR 2020.
    .. [3] H. Bao et al., "BEiT: BERT pre-training of image transformers", ICLR 2022.

    Examples
    --------
    >>> decay_learning_rates(["stage1", "stage2"], 0.004, decay=0.5)
    {'stage1': 0.001, 'stage2': 0.002, 'head': 0.004}
    """
    listed = [stages] if isinstance(stages, str) else stages
    names = list(map(spell_stage, stages.stages)) if hasattr(stages, "stages") else list(listed)
    for name in names:
        if not isinstance(name, str) or name in ("all", "head") or names.count(name) > 1:
            advice = f"if a stage is called like that, write 'stage:{name}'"
            raise ValueError(f"stages: {name!r} in {names}, expected names of stages, each once; {advice}")
    if not names:
        raise ValueError('stages: empty, expected names of stages; for the head alone use Phase(["head"], …)')
    check_number("learning_rate", learning_rate, above=0)
    check_number("decay", decay, above=0, at_most=1)
    n_stages = len(names)
    rates = {spell_stage(name): learning_rate * decay ** (n_stages - index) for index, name in enumerate(names)}
    return rates | {"head": learning_rate}


def decay_by_stage(phases, backbone, n_train, *, decay):
    """Give each stage its own learning rate, falling from the rate of "all" towards the first stage."""
    adjusted = []
    for phase in phases:
        if "all" in phase.train:
            # "all" stays, for parts that train along with the whole network; the narrower keys decide the rates.
            rates = decay_learning_rates(backbone, phase.learning_rate["all"], decay)
            phase = _replace(phase, rates | phase.learning_rate)
        adjusted.append(phase)
    return adjusted


def unfreeze_gradually(phases, backbone, n_train, *, n_parts):
    """Unfreeze from the top: before a phase that trains "all", one epoch for each larger part of the network."""
    # Howard and Ruder 2018 (Universal language model fine-tuning for text classification) unfreeze one more layer per
    # epoch, which takes as many epochs as there are layers. Here a part may hold several stages, so that a deep network
    # takes only n_parts - 1 epochs more. Networks with fewer stages than n_parts have one part per stage.
    n_parts = check_count("n_parts", n_parts, 1)
    n_stages = len(backbone.stages)
    n_parts = min(n_parts, n_stages)
    adjusted = []
    for phase in phases:
        if "all" in phase.train:
            for part in range(1, n_parts):
                stages = backbone.stages[n_stages - math.ceil(part * n_stages / n_parts) :]
                adjusted.append(_train_stages(dataclasses.replace(phase, n_epochs=1), stages))
        adjusted.append(phase)
    return adjusted


def tune_block(phases, backbone, n_train, *, block):
    """Tune the first, middle or last third of the stages, with the head, instead of "all"."""
    # Lee et al. 2023 (Surgical fine-tuning improves adaptation to distribution shifts) tune one of the three or four
    # blocks of a ResNet. Thirds, as equal as possible, exist in every network with three stages or more.
    check_known("block", block, BLOCKS)
    third = BLOCKS.index(block)
    start, end = (round(bound * len(backbone.stages) / 3) for bound in (third, third + 1))
    if start == end:
        stages = f"{backbone.name} has {len(backbone.stages)} stages"
        raise ValueError(f"block: {block!r}, but {stages} and none in that third; name the stages in a Phase")
    return [_train_stages(phase, backbone.stages[start:end]) if "all" in phase.train else phase for phase in phases]


def set_length_by_size(phases, backbone, n_train):
    """Tune "all" for as many epochs as give 4,000 pictures in all steps, but for 6 to 12."""
    # Kolesnikov et al. 2020 (Big Transfer: general visual representation learning) choose the number of steps by the
    # size of the set alone: 500 steps of 512 pictures below 20,000 pictures, then 10,000 and 20,000. Ours is fixed too,
    # but after a solved head few pictures need not be seen hundreds of times, and many should be seen a few times.
    n_epochs = min(max(FEWEST_EPOCHS, math.ceil(N_SEEN / n_train)), MOST_EPOCHS)
    return [dataclasses.replace(phase, n_epochs=n_epochs) if "all" in phase.train else phase for phase in phases]


def lower_rates_for_texts(phases, backbone, n_train, *, factor):
    """Multiply the learning rate of "all" in text encoders, which learn nothing at the rate of convolutions."""
    # benchmarks/text_shots.md has the rates that were tried.
    if backbone.recipe.noun == "picture":
        return list(phases)
    return [_replace(phase, {key: rate * factor for key, rate in phase.learning_rate.items()}) for phase in phases]


def _train_stages(phase, stages):
    """Return the phase with some stages, and the head, instead of "all"; other keys stay."""
    rates = dict.fromkeys((*map(spell_stage, stages), "head"), phase.learning_rate["all"])
    return _replace(phase, rates | {key: rate for key, rate in phase.learning_rate.items() if key != "all"})


def _replace(phase, rates):
    """Return the phase with other learning rates and their keys."""
    return dataclasses.replace(phase, train=tuple(rates), learning_rate=rates)
