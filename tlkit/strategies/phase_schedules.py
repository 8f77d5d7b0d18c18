"""Phases that depend on the network or on the number of pictures: what a `Strategy` takes as `adjust`. Without torch.

Each function reworks the phases that train "all" and leaves the others as they are. Their settings are keywords, so
that `functools.partial` makes an `adjust` of them that a run's description can hold.
"""

import dataclasses
import math

from tlkit.strategies.strategy import KEYWORDS

BLOCKS = ("first", "middle", "last")

# Pictures seen while tuning, 500 steps of 8, and how often each at least and at most.
N_SEEN = 4000
FEWEST_EPOCHS, MOST_EPOCHS = 6, 12


def decay_by_stage(phases, backbone, n_train, *, decay):
    """Give each stage its own learning rate, by `decay_learning_rates`.

    Arguments
    ---------
    phases: sequence of Phase
        The rate of "all" is where the decay begins, one stage above the last; "head" and others keep their own.
    backbone: Backbone
    n_train: int
        Number of training pictures, of which nothing depends here.
    decay: float
        Above 0, at most 1: what is left of the learning rate from one stage to the one before.

    Returns a list of Phase.

    >>> import tlkit as tl
    >>> from tlkit.strategies.strategy import Phase
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> (phase,) = decay_by_stage([Phase(["all"], 1, 0.008)], backbone, 50, decay=0.5)
    >>> phase.learning_rate
    {'stem': 0.0005, 'stage1': 0.001, 'stage2': 0.002, 'stage3': 0.004, 'head': 0.008, 'all': 0.008}
    """
    adjusted = []
    for phase in phases:
        if "all" in phase.train:
            # "all" stays, for what trains along with the whole network; the narrower keys decide the rates.
            rates = decay_learning_rates(backbone, phase.learning_rate["all"], decay)
            phase = _replace(phase, rates | phase.learning_rate)
        adjusted.append(phase)
    return adjusted


def unfreeze_gradually(phases, backbone, n_train, *, n_parts):
    """Unfreeze from the top: before a phase that trains "all", one epoch for each larger part of the network.

    Howard and Ruder 2018 (Universal language model fine-tuning for text classification) unfreeze one more layer each
    epoch, which takes as many epochs as there are layers. Here a part may hold several stages, so that a deep network
    takes no more than `n_parts` - 1 epochs more than one that is tuned at once.

    Arguments
    ---------
    phases: sequence of Phase
    backbone: Backbone
    n_train: int
        Number of training pictures, of which nothing depends here.
    n_parts: int
        At least 1. Networks with fewer stages have as many parts as stages.

    Returns a list of Phase.

    >>> import tlkit as tl
    >>> from tlkit.strategies.strategy import Phase
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> for phase in unfreeze_gradually([Phase(["all"], 6, 2e-4)], backbone, 50, n_parts=3):
    ...     print(phase.n_epochs, *phase.train)
    1 stage3 stage4 head
    1 stage1 stage2 stage3 stage4 head
    6 all
    """
    if isinstance(n_parts, bool) or not isinstance(n_parts, int) or n_parts < 1:
        raise ValueError(f"n_parts: {n_parts!r}, expected a whole number of at least 1")
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
    """Tune one third of the stages, with the head, instead of "all".

    Lee et al. 2023 (Surgical fine-tuning improves adaptation to distribution shifts) tune one of the three or four
    blocks of a ResNet. Here a block is the first, the middle or the last third of the stages, the thirds as equal as
    they can be, so that every network has the three.

    Arguments
    ---------
    phases: sequence of Phase
    backbone: Backbone
        Of two stages only the first and last exist.
    n_train: int
        Number of training pictures, of which nothing depends here.
    block: "first", "middle" or "last"

    Returns a list of Phase. Raises ValueError for another block, and where the third would hold no stage.

    >>> import tlkit as tl
    >>> from tlkit.strategies.strategy import Phase
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> [tune_block([Phase(["all"], 6, 2e-4)], backbone, 50, block=block)[0].train for block in BLOCKS]
    [('stem', 'stage1', 'head'), ('stage2', 'head'), ('stage3', 'stage4', 'head')]
    """
    if block not in BLOCKS:
        raise ValueError(f"block: {block!r}, expected one of {', '.join(BLOCKS)}")
    third = BLOCKS.index(block)
    start, end = (round(bound * len(backbone.stages) / 3) for bound in (third, third + 1))
    if start == end:
        raise ValueError(
            f"block: {block!r}, but {backbone.name} has {len(backbone.stages)} stages, of which that third holds none; "
            "name the stages in a Phase"
        )
    return [_train_stages(phase, backbone.stages[start:end]) if "all" in phase.train else phase for phase in phases]


def set_length_by_size(
    phases, backbone, n_train, *, n_seen=N_SEEN, fewest_epochs=FEWEST_EPOCHS, most_epochs=MOST_EPOCHS
):
    """Tune "all" for as many epochs as the number of training pictures asks for.

    Kolesnikov et al. 2020 (Big Transfer: general visual representation learning) choose the number of steps by the size
    of the set alone: 500 steps of 512 pictures below 20,000 pictures, then 10,000 and 20,000. Ours, too, aims at as
    many steps whatever the size, but few pictures are not seen hundreds of times, which a head that was solved before
    makes needless, and of many pictures each is seen a few times.

    Arguments
    ---------
    phases: sequence of Phase
        Their own number of epochs is replaced.
    backbone: Backbone
        On which nothing depends here.
    n_train: int
        Number of training pictures.
    n_seen: int
        Pictures in all steps together; the default is 500 steps of 8.
    fewest_epochs, most_epochs: int
        Each picture is seen at least and at most so often.

    Returns a list of Phase.

    >>> from tlkit.strategies.strategy import Phase
    >>> [set_length_by_size([Phase(["all"], 1, 2e-4)], None, n)[0].n_epochs for n in (100, 500, 5000)]
    [12, 8, 6]
    """
    n_epochs = min(max(fewest_epochs, math.ceil(n_seen / n_train)), most_epochs)
    return [dataclasses.replace(phase, n_epochs=n_epochs) if "all" in phase.train else phase for phase in phases]


def _train_stages(phase, stages):
    """Return the phase with some stages, and the head, instead of "all"; other keys stay."""
    rates = dict.fromkeys((*stages, "head"), phase.learning_rate["all"])
    return _replace(phase, rates | {key: rate for key, rate in phase.learning_rate.items() if key != "all"})


def _replace(phase, rates):
    return dataclasses.replace(phase, train=tuple(rates), learning_rate=rates)


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
