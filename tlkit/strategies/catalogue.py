"""The known strategies by name, each a list of phases, with its paper."""

import dataclasses
import functools

from tlkit.arguments import suggest
from tlkit.strategies.augmentation import check_policies, format_augment
from tlkit.strategies.penalties import l2_sp
from tlkit.strategies.phase_schedules import (
    DISCRIMINATIVE,
    LAYER_DECAY,
    decay_by_stage,
    set_length_by_size,
    tune_block,
    unfreeze_gradually,
)
from tlkit.strategies.steps import (
    finish_norm_statistics,
    insert_lora,
    interpolate_with_parent,
    merge_lora,
    reinitialise,
)
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


_SURGICAL = (
    "Lee et al. 2023 (Surgical fine-tuning improves adaptation to distribution shifts); here by thirds of the stages, "
    "and with the head, which is new and solved first"
)

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
        Strategy([Phase([-2, -1, "head"], N_EPOCHS, {-2: 2e-4, -1: 2e-4, "head": 2e-3})], name="last_2_stages"),
        "Yosinski et al. 2014 (How transferable are features in deep neural networks?), who freeze the first k layers",
        "cheaper than fine-tuning, as the frozen front is computed once; gains less where edges and textures are new",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], adjust=functools.partial(unfreeze_gradually, n_parts=4), name="gradual"),
        "Howard and Ruder 2018 (Universal language model fine-tuning for text classification); the head is solved, and "
        "stages are unfrozen in four parts instead of one by one",
        "much like lp_ft for half as many epochs again; made for networks that forget fast, as a moving-norm one does",
    ),
    Known(
        Strategy(
            [Phase(["all"], N_EPOCHS, 2e-3)],
            adjust=functools.partial(decay_by_stage, decay=DISCRIMINATIVE),
            name="discriminative",
        ),
        "Howard and Ruder 2018 (Universal language model fine-tuning for text classification), here by stage",
        "the first stages hardly move, so that it learns as the last stages do and forgets little",
    ),
    Known(
        Strategy(
            [Phase(["all", "head"], N_EPOCHS, {"all": 3e-4, "head": 2e-3})],
            adjust=functools.partial(decay_by_stage, decay=LAYER_DECAY),
            name="layer_decay",
        ),
        "Clark et al. 2020 (ELECTRA) and Bao et al. 2022 (BEiT), here by stage",
        "between fine_tune and discriminative; usual for vision transformers",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], name="lp_ft"),
        "Kumar et al. 2022 (Fine-tuning can distort pretrained features and underperform out-of-distribution)",
        "keeps more of the pretrained features than fine-tuning from a random head",
    ),
    Known(
        Strategy(
            [dataclasses.replace(_TUNE, penalty=functools.partial(l2_sp, penalty_weight=0.1))],
            name="l2_sp",
        ),
        "Li, Grandvalet and Davoine 2018 (Explicit inductive bias for transfer learning with convolutional networks); "
        "the head is not pulled",
        "stays nearer to the pretrained weights than fine-tuning; at a small learning rate the difference is small",
    ),
    Known(
        Strategy([_HEAD, Phase(["bias", "head"], N_EPOCHS, {"bias": 2e-3, "head": 2e-4})], name="bitfit"),
        "Ben Zaken, Ravfogel and Goldberg 2022 (BitFit: simple parameter-efficient fine-tuning for transformer-based "
        "masked language-models); the head is solved first",
        "moves under 1 % of the parameters, so that little must be stored for a task; saves hardly any time",
    ),
    Known(
        Strategy([_HEAD, Phase(["norm", "head"], N_EPOCHS, {"norm": 2e-3, "head": 2e-4})], name="norm_only"),
        "Frankle, Schwab and Morcos 2021 (Training BatchNorm and only BatchNorm), who do so on random weights; here on "
        "pretrained ones, the head solved first",
        "moves under 2 % of the parameters and often gets most of the gain; saves hardly any time",
    ),
    Known(
        Strategy(
            [_HEAD, Phase(["adapter", "head"], N_EPOCHS, 1e-3)],
            functools.partial(insert_lora, rank=4, scale=1.0),
            merge_lora,
            name="lora",
        ),
        "Hu et al. 2022 (LoRA: low-rank adaptation of large language models); here in convolutions too, the head "
        "solved first",
        "trains and stores a few percent of the network; costs about as much time as fine-tuning",
    ),
    *(
        Known(
            Strategy(
                [_HEAD, _TUNE_AFTER_PROBE],
                adjust=functools.partial(tune_block, block=block),
                name=f"surgical_{block}",
            ),
            _SURGICAL,
            expect,
        )
        for block, expect in (
            ("first", "for pictures that look different at the level of edges and textures; new classes want more"),
            ("middle", "for what lies between; the least often best of the three"),
            ("last", "for classes that are new while pictures look familiar; the cheapest of the three"),
        )
    ),
    Known(
        Strategy(
            [_HEAD, _TUNE_AFTER_PROBE],
            finish=functools.partial(interpolate_with_parent, mixing_coefficient=0.5),
            name="wise_ft",
        ),
        "Wortsman et al. 2022 (Robust fine-tuning of zero-shot models); the parent is the linear probe",
        "between linear_probe and lp_ft in the domain, and often above both outside it",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], adjust=set_length_by_size, name="by_size"),
        "Kolesnikov et al. 2020 (Big Transfer: general visual representation learning), whose rule sets the number of "
        "steps by that of pictures; ours solves the head first, sees 4,000 pictures in 6 to 12 epochs, and keeps rate, "
        "schedule and size of the pictures as elsewhere here, without MixUp",
        "a default without anything to choose: lp_ft for longer where pictures are few",
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
    if not isinstance(name, str) or name not in _BY_NAME:
        raise ValueError(f"strategy: {name!r}, expected a Strategy or the name of one; {suggest(name, _BY_NAME)}")
    return _BY_NAME[name]


def augmented(strategy, augment, *, name=None):
    """Return a strategy of which every phase that trains for epochs augments its pictures so.

    With `compare`, several of them are an ablation: all arms of a seed see the same pictures in the same order, and
    differ in nothing but what is done to them.

    Arguments
    ---------
    strategy: Strategy, or the name of a known one
    augment: str or list of str; None for no augmentation
        As in `Phase`.
    name: str, optional
        By default the strategy's name and the policies, as in "lp_ft + crop", or "lp_ft + none".

    Returns a `Strategy`. Raises ValueError for unknown policies, and where the strategy only solves a head, which sees
    each picture once as it is.

    >>> import tlkit as tl
    >>> [augmented("fine_tune", policy).name for policy in (None, "flip", ["crop", "mixup"])]
    ['fine_tune + none', 'fine_tune + flip', 'fine_tune + crop + mixup']
    >>> [phase.augment for phase in augmented("lp_ft", "flip").phases]
    [None, 'flip']
    """
    strategy, augment = get(strategy), check_policies(augment)
    if all(phase.n_epochs is None for phase in strategy.phases):
        raise ValueError(
            f"strategy: {strategy.name!r} solves its head, which knows no augmentation; take one with a phase of epochs"
        )
    phases = [
        phase if phase.n_epochs is None else dataclasses.replace(phase, augment=augment) for phase in strategy.phases
    ]
    name = f"{strategy.name} + {format_augment(augment)}" if name is None else name
    return dataclasses.replace(strategy, phases=phases, name=name)
