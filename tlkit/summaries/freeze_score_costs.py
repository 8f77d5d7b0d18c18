"""The costs of a freeze score, looked up in measurements of the network. Without torch."""

import itertools
import math
from typing import NamedTuple

from tlkit.backbones.freezing.costs import FreezingChoice, summarise_freezing


class ScoreCosts(NamedTuple):
    """The costs of a freeze score; memory is the largest of any step, 0 without steps, with stored prefix outputs."""

    # Parameters that train at once are the most of any phase. The duration is estimated from the shortest of several
    # measured steps, so it is a little short. It excludes reading pictures, converting a network for a faster engine
    # and solving a head.
    n_trainable: int
    n_parameters: int
    memory_mib: float
    n_steps: int
    duration_s: float
    sentence: str


def summarise_freeze_score(score, costs, n_train, *, frozen_prefix_mib=1024):
    """Return the `ScoreCosts` of a score of stages and head, for a number of training pictures."""
    # The frozen prefix is computed once for all epochs of a phase, and for a following phase with the same prefix. As
    # long as its stages are pretrained, its outputs are kept, and any later phase reuses them.
    if score.parts != (*costs.stages, "head"):
        raise ValueError(f"score: of {', '.join(score.parts)}; the costs are of {', '.join(costs.stages)}, head")
    n_of_head = costs.steps["head", "learns", False].n_trainable
    n_trainable, memory_mib, duration_s = 0, 0.0, 0.0
    touched, kept, previous, reused, longest = set(), set(), (), {}, 0
    n_batches = n_train / costs.batch_size  # not rounded up: pictures are divided into batches evenly
    for columns in score.phases():
        mark, rates = score.marks[columns[0]], dict(zip(score.parts, score.column(columns[0]), strict=True))
        frozen = [stage for stage in costs.stages if not rates[stage]]
        summary = summarise_freezing(costs, FreezingChoice(frozen))
        prefix = tuple(itertools.takewhile(frozen.__contains__, costs.stages))
        # The outputs of a whole network are features, which are small.
        n_stored = len(prefix) if prefix != tuple(costs.stages) else 0
        stored_mib = costs.input_bytes[costs.stages[n_stored]] / 2**20 * n_batches if n_stored else 0.0
        if not mark.solved and (mark.augment or stored_mib > frozen_prefix_mib):
            prefix, stored_mib = (), 0.0
        if prefix != previous and prefix not in kept:
            duration_s += n_batches * sum(summary.durations_s[: len(prefix)])
        if touched.isdisjoint(prefix):
            kept.add(prefix)
        previous = prefix
        # Of solving and of epochs, the prefix that is frozen in all their phases.
        reused[mark.solved] = min(len(prefix), reused.get(mark.solved, len(prefix)))
        if mark.solved:
            n_trainable = max(n_trainable, n_of_head)
            continue
        longest = max(longest, len(prefix))
        duration_s += len(columns) * n_batches * sum(summary.durations_s[len(prefix) :])
        # In the measurements the head always trains; here it may be frozen.
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
        once = {solved: f"up to {costs.stages[n - 1]}" for solved, n in reused.items() if n}
        if once:
            sentence += f" The frozen stages {once.get(True) or once[False]} are computed once"
            then = f"; {'some ' * (longest > 0)}epochs compute all stages"
            then = f", and those {once[False]} for all epochs" if False in once else then
            sentence += f" to solve the head{then}." if len(reused) > 1 else "."
        elif longest:
            stages = f"up to {costs.stages[longest - 1]}"
            sentence += f" The frozen stages {stages} are computed once for the epochs that freeze them."
    return ScoreCosts(n_trainable, costs.n_parameters, memory_mib, n_steps, duration_s, sentence)
