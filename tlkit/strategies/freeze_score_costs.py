"""What a freeze score costs, looked up in what was measured once for the network. Without torch."""

import dataclasses
import math

from tlkit.backbones.freezing.costs import FreezingChoice, summarise_freezing


@dataclasses.dataclass(frozen=True)
class ScoreReading:
    """What a freeze score costs; `summarise_freeze_score` makes one.

    Arguments
    ---------
    n_trainable: int
        Parameters that learn at once, the most of all phases.
    n_parameters: int
        Of the network with its head.
    memory_mib: float
        The most that a step holds at once, with the stored outputs of frozen stages; 0 where there are no steps.
    n_steps: int
    duration_s: float
        Estimated from the shortest of several measured steps, so a little short, and without what a step doesn't
        take: to read pictures, to convert a network for a faster engine, to solve a head.
    sentence: str
    """

    n_trainable: int
    n_parameters: int
    memory_mib: float
    n_steps: int
    duration_s: float
    sentence: str


def summarise_freeze_score(score, costs, n_train, *, frozen_prefix_mib=1024):
    """Look up what a score costs.

    Stages that are frozen at the front are computed once for all epochs of a phase, and for a phase that follows with
    the same front. As long as they are as pretrained, what they give is kept, and any later phase finds it.

    Arguments
    ---------
    score: FreezeScore
        Of stages and head alone.
    costs: FreezingCosts
        From `measure_freezing`, with a batch as large as the training's.
    n_train: int
        Training pictures.
    frozen_prefix_mib: float
        As in `transfer`.

    Returns a `ScoreReading`. Raises ValueError for a score of other parts.
    """
    if score.parts != (*costs.stages, "head"):
        raise ValueError(f"score: of {', '.join(score.parts)}; the costs are of {', '.join(costs.stages)}, head")
    n_of_head = costs.steps["head", "learns", False].n_trainable
    n_trainable, memory_mib, duration_s = 0, 0.0, 0.0
    touched, kept, previous, longest = set(), set(), (), 0
    n_batches = n_train / costs.batch_size  # not rounded up: the pictures are dealt into batches evenly
    for columns in score.phases():
        mark, rates = score.marks[columns[0]], dict(zip(score.parts, score.column(columns[0]), strict=True))
        frozen = [stage for stage in costs.stages if not rates[stage]]
        summary = summarise_freezing(costs, FreezingChoice(frozen))
        front = _find_front(frozen, costs.stages)
        stored_mib = _measure_stored(front, costs) * n_batches
        if not mark.solved and (mark.augment or stored_mib > frozen_prefix_mib):
            front, stored_mib = (), 0.0
        if front != previous and front not in kept:
            duration_s += n_batches * sum(summary.durations_s[: len(front)])
        if touched.isdisjoint(front):
            kept.add(front)
        previous = front
        longest = max(longest, len(front))
        if mark.solved:
            n_trainable = max(n_trainable, n_of_head)
            continue
        duration_s += len(columns) * n_batches * sum(summary.durations_s[len(front) :])
        # In what was measured the head always learns; here it may be frozen.
        n_learning = summary.n_trainable - (0 if rates["head"] else n_of_head)
        learning = summary.memory_mib["gradients"] + summary.memory_mib["optimizer state"]
        fixed = summary.memory_mib["parameters"] + summary.memory_mib["activations"] + stored_mib
        memory_mib = max(memory_mib, fixed + learning * n_learning / summary.n_trainable)
        n_trainable = max(n_trainable, n_learning)
        touched.update(stage for stage in costs.stages if rates[stage])
    n_steps = score.n_epochs * math.ceil(n_batches)
    sentence = "Nothing learns yet: paint a learning rate into a cell, or solve the head."
    if n_trainable:
        step = f"A step with {costs.batch_size} pictures holds {memory_mib:.0f} MiB. " if n_steps else ""
        sentence = (
            f"{n_trainable:,} of {costs.n_parameters:,} parameters learn at once. {step}{n_steps} steps: at least "
            f"{duration_s:.{0 if duration_s >= 10 else 1}f} s for {n_train} pictures."
        )
        if longest:
            sentence += f" What is frozen up to {costs.stages[longest - 1]} is computed once."
    return ScoreReading(n_trainable, costs.n_parameters, memory_mib, n_steps, duration_s, sentence)


def _find_front(frozen, stages):
    """Return the stages before the first that isn't frozen."""
    learning = [place for place, stage in enumerate(stages) if stage not in frozen]
    return tuple(stages[: learning[0]] if learning else stages)


def _measure_stored(front, costs):
    """Return MiB that the outputs of the front take for one batch."""
    if not front or front == tuple(costs.stages):
        return 0.0  # what a whole network gives are features, which are small
    return costs.input_bytes[costs.stages[len(front)]] / 2**20
