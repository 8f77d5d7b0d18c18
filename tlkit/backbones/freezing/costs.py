"""What a choice of frozen stages costs and moves, looked up in what was measured once. Without torch."""

import dataclasses

from tlkit.arguments import check_known

LEARNS = "learns"
NORM_MODES = ("frozen", "statistics", "trainable")
KINDS = ("weights", "norm weights", "norm statistics")
# AdamW keeps two numbers for each that it trains: running means of the gradient and of its square.
_OPTIMIZER_NUMBERS = 2


@dataclasses.dataclass(frozen=True)
class FreezingChoice:
    """Which stages are frozen, and what their norm layers do.

    Arguments
    ---------
    frozen: sequence of str
        Names of stages; the head always learns.
    norm: "frozen", "statistics" or "trainable"
        As in `freeze`.
    """

    frozen: tuple = ()
    norm: str = "frozen"

    def __post_init__(self):
        frozen = (self.frozen,) if isinstance(self.frozen, str) else tuple(self.frozen)
        object.__setattr__(self, "frozen", frozen)


@dataclasses.dataclass(frozen=True)
class PartStep:
    """One training step of one part of a network.

    Arguments
    ---------
    n_trainable: int
        Parameters that learn.
    moves: dict of str to bool or None
        For each of `KINDS` whether the step changed a bit of it; None where the part has none.
    inside_bytes: int
        Kept for the backward pass, without the part's input and output.
    keeps_input, keeps_output: bool
        Whether these are kept for the backward pass too.
    duration_s: float
        Forward, backward and the optimizer's update; the shortest of several.
    """

    n_trainable: int
    moves: dict
    inside_bytes: int
    keeps_input: bool
    keeps_output: bool
    duration_s: float


@dataclasses.dataclass(frozen=True, eq=False)
class FreezingCosts:
    """What `measure_freezing` found.

    Arguments
    ---------
    name: str
        Of the network.
    stages: tuple of str
    batch_size: int
    n_parameters: int
        Of the network with its head.
    parameters_bytes: dict of str to int
        A part's parameters, trained or not.
    input_bytes: dict of str to int
        What enters a part.
    steps: dict of (part, treatment, reached) to PartStep
        Parts are the stages and "head"; a treatment is "learns" or a norm mode of a frozen stage; a part is reached if
        something before it learns, so that its gradient has to be passed on.
    """

    name: str
    stages: tuple
    batch_size: int
    n_parameters: int
    parameters_bytes: dict
    input_bytes: dict
    steps: dict

    def check(self, choice):
        """Raise ValueError, with the nearest name, for a `FreezingChoice` of stages or a norm mode that isn't there."""
        check_known("frozen", choice.frozen, self.stages)
        check_known("norm", choice.norm, NORM_MODES)


@dataclasses.dataclass(frozen=True)
class FreezingSummary:
    """What one choice of frozen stages costs and moves; `summarise_freezing` makes one.

    Arguments
    ---------
    choice: FreezingChoice
    parts: tuple of str
        The stages, then "head".
    moves: dict of str to tuple of (bool or None)
        For each of `KINDS`, a part each.
    n_trainable: int
    activations_mib, durations_s: tuple of float
        A part each: memory kept for the backward pass, and time, of one step.
    memory_mib: dict of str to float
        parameters, gradients, optimizer state, activations: what a step holds at once.
    sentence: str
    """

    choice: FreezingChoice
    parts: tuple
    moves: dict
    n_trainable: int
    activations_mib: tuple
    durations_s: tuple
    memory_mib: dict
    sentence: str


def summarise_freezing(costs, choice):
    """Look up what a choice of frozen stages costs.

    Arguments
    ---------
    costs: FreezingCosts
    choice: FreezingChoice

    Returns a `FreezingSummary`. Raises ValueError for a stage or norm mode that isn't there.
    """
    costs.check(choice)
    parts, steps, reached = (*costs.stages, "head"), {}, False
    for part in parts:
        treatment = choice.norm if part in choice.frozen else LEARNS
        steps[part] = costs.steps[part, treatment, reached]
        reached = reached or steps[part].n_trainable > 0
    activations = _count_activations(costs, steps)
    n_trainable = sum(step.n_trainable for step in steps.values())
    number_mib = sum(costs.parameters_bytes.values()) / costs.n_parameters / 2**20
    memory_mib = {
        "parameters": costs.n_parameters * number_mib,
        "gradients": n_trainable * number_mib,
        "optimizer state": _OPTIMIZER_NUMBERS * n_trainable * number_mib,
        "activations": sum(activations),
    }
    durations_s = tuple(step.duration_s for step in steps.values())
    moves = {kind: tuple(step.moves[kind] for step in steps.values()) for kind in KINDS}
    sentence = (
        f"{n_trainable:,} of {costs.n_parameters:,} parameters learn. A step with {costs.batch_size} pictures holds "
        f"{sum(memory_mib.values()):.0f} MiB and takes {1000 * sum(durations_s):.0f} ms. {_format_moves(steps, choice)}"
    )
    return FreezingSummary(choice, parts, moves, n_trainable, activations, durations_s, memory_mib, sentence)


def _count_activations(costs, steps):
    """Return MiB kept by each part; what two neighbours keep, the earlier one's output, is counted once, there."""
    counted, parts = [], list(steps)
    for place, (part, step) in enumerate(steps.items()):
        n_bytes = step.inside_bytes
        if step.keeps_output and place + 1 < len(parts):
            n_bytes += costs.input_bytes[parts[place + 1]]
        if step.keeps_input and not (place and steps[parts[place - 1]].keeps_output):
            n_bytes += costs.input_bytes[part]
        counted.append(n_bytes / 2**20)
    return tuple(counted)


def _format_moves(steps, choice):
    if not choice.frozen:
        return "No stage is frozen."
    moving = [kind for kind in KINDS if any(steps[stage].moves[kind] for stage in choice.frozen)]
    if not moving:
        return "What is frozen stays to the bit."
    return f"In the frozen stages {' and '.join(moving)} still move."
