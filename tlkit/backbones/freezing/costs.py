"""The cost of a training step for any choice of frozen stages, from measurements of each stage. Without torch."""

import dataclasses
from typing import NamedTuple

from tlkit.arguments import check_known

TRAINED = "learns"
NORM_MODES = ("frozen", "statistics", "trainable")
KINDS = ("weights", "norm weights", "norm statistics")
# AdamW keeps two numbers per trained parameter: running means of the gradient and of its square.
_OPTIMIZER_NUMBERS = 2


@dataclasses.dataclass(frozen=True)
class FreezingChoice:
    """A choice of frozen stages (names) and of the mode of their norm layers, as in `freeze`; the head is trained."""

    frozen: tuple = ()
    norm: str = "frozen"

    def __post_init__(self):
        frozen = (self.frozen,) if isinstance(self.frozen, str) else tuple(self.frozen)
        object.__setattr__(self, "frozen", frozen)


class PartStep(NamedTuple):
    """One training step of one part of a network."""

    n_trainable: int
    moves: dict  # for each of `KINDS`, whether the step changed a bit; None if the part has none
    inside_bytes: int  # kept for the backward pass, without the part's input and output
    keeps_input: bool  # kept for the backward pass too
    keeps_output: bool
    duration_s: float  # forward, backward and the optimizer's update; the shortest of several


@dataclasses.dataclass(frozen=True, eq=False)
class FreezingCosts:
    """Measured training steps of each part of a network; `measure_freezing` makes one."""

    name: str
    stages: tuple
    batch_size: int
    n_parameters: int  # with the head
    parameters_bytes: dict  # {part: bytes}, trained or not; parts are the stages and "head"
    input_bytes: dict  # {part: bytes of its input}
    # {(part, treatment, reached): PartStep}. A treatment is "learns", or the norm mode of a frozen stage. A part is
    # reached if an earlier part is trained, so that the gradient has to be passed on.
    steps: dict

    def check(self, choice):
        """Raise ValueError if a `FreezingChoice` has an unknown stage or norm mode."""
        check_known("frozen", choice.frozen, self.stages)
        check_known("norm", choice.norm, NORM_MODES)

    def summarise(self, frozen=(), norm="frozen"):
        """Return the `FreezingSummary` of frozen stages (names) and a mode of their norm layers, as in `freeze`."""
        return summarise_freezing(self, FreezingChoice(frozen, norm))


class FreezingSummary(NamedTuple):
    """Cost of a step and moved parts for one choice of frozen stages; `summarise_freezing` makes one."""

    choice: FreezingChoice
    parts: tuple  # the stages, then "head"
    moves: dict  # for each of `KINDS`, one bool or None per part
    n_trainable: int
    activations_mib: tuple  # per part, kept for the backward pass of one step
    durations_s: tuple  # per part, of one step
    memory_mib: dict  # parameters, gradients, optimizer state, activations: all that a step holds at once
    sentence: str


def summarise_freezing(costs, choice):
    """Return the `FreezingSummary` of a `FreezingChoice`, from measured `FreezingCosts`."""
    costs.check(choice)
    parts, steps, reached = (*costs.stages, "head"), {}, False
    for part in parts:
        treatment = choice.norm if part in choice.frozen else TRAINED
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
    """Return MiB kept by each part; an output that the next part keeps as its input is counted once, at the former."""
    counted, parts = [], list(steps)
    for index, (part, step) in enumerate(steps.items()):
        n_bytes = step.inside_bytes
        if step.keeps_output and index + 1 < len(parts):
            n_bytes += costs.input_bytes[parts[index + 1]]
        if step.keeps_input and not (index and steps[parts[index - 1]].keeps_output):
            n_bytes += costs.input_bytes[part]
        counted.append(n_bytes / 2**20)
    return tuple(counted)


def _format_moves(steps, choice):
    """Return a sentence about what still moves in frozen stages."""
    if not choice.frozen:
        return "No stage is frozen."
    moving = [kind for kind in KINDS if any(steps[stage].moves[kind] for stage in choice.frozen)]
    if not moving:
        return "The frozen stages don't change by a single bit."
    return f"In the frozen stages {' and '.join(moving)} still move."
