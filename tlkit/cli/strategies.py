"""`tlkit strategies`: list the strategies by name, in words."""

from pathlib import Path
from typing import Annotated

from tlkit.cli.options import CSV
from tlkit.cli.outputs import write_table
from tlkit.cli.terminal import print_table

_COLUMNS = ("strategy", "trains", "phases", "note")
_PARTS = {"all": "all stages", "head": "the head", "norm": "norm layers", "bias": "biases", "adapter": "adapters"}
# A step before, between or after the phases, by the name of its function, with its settings.
_STEPS = {
    "reinitialise": "starts from random weights",
    "finish_norm_statistics": "estimates norm statistics anew at the end",
    "unfreeze_gradually": "unfreezes stages in {n_parts} parts, the last first",
    "decay_by_stage": "the rate of each stage is {decay:.2g} times the next one's",
    "tune_block": "",
    "lower_rates_for_texts": "a thirtieth of this rate in text encoders",
    "set_length_by_size": "up to 12 epochs if there are few pictures",
    "insert_lora": "inserts low-rank adapters of rank {rank}",
    "merge_lora": "adds them to the weights at the end",
    "interpolate_with_parent": "ends at {mixing_coefficient:g} of the way from the probe",
    "l2_sp": "a penalty of {penalty_weight:g} pulls weights to the pretrained ones",
}
_HAND_MADE = ("hand_made", "the head", "solved", "no network: a ridge classifier on gradients and colours, or words")


def strategies(csv: Annotated[Path | None, CSV] = None):
    """List the strategies that `tlkit compare --strategies` takes: what they train, how long, and what to expect."""
    from tlkit.strategies.catalogue import find, names

    known = [find(name) for name in names()]
    rows = [(one.strategy.name, *describe(one.strategy), one.expect) for one in known] + [_HAND_MADE]
    if csv is not None:
        import pandas as pd

        table = pd.DataFrame(rows, columns=_COLUMNS).assign(paper=[*(one.paper for one in known), ""])
        return write_table(csv, table)
    caption = "Rates are learning rates. A head that is solved is trained to convergence on frozen features."
    print_table(_COLUMNS, rows, title=f"{len(rows)} strategies", caption=caption, left=_COLUMNS)


def describe(strategy):
    """Return what a strategy trains, and its phases, in words."""
    described = strategy.describe()
    trained = ", then ".join(_join(_name_parts(phase.train)) for phase in strategy.phases)
    phases = [_describe_phase(phase) for phase in strategy.phases]
    steps = [described[name] for name in ("prepare", "adjust", "finish") if name in described]
    steps += [phase["penalty"] for phase in described["phases"] if "penalty" in phase]
    steps = [step if isinstance(step, dict) else {"function": step} for step in steps]
    notes = [_STEPS[step["function"]].format(**step) for step in steps]
    if block := getattr(strategy.adjust, "keywords", {}).get("block"):
        trained = trained.replace("all stages", f"the {block} third of the stages")
    return trained, "; ".join([", then ".join(phases), *filter(None, notes)])


def _name_parts(keys):
    """Return the parts that a phase trains, in words."""
    n_last = sum(isinstance(key, int) for key in keys)
    words = [f"the last {n_last} stages"] if n_last else []
    words += [_PARTS[key] for key in keys if key in _PARTS]
    return [*words, _PARTS["head"]] if keys == ("all",) else words


def _describe_phase(phase):
    """Return the length and the learning rates of a phase, in words."""
    from tlkit.summaries.freeze_score import format_rate

    if phase.n_epochs is None:
        return "solved"
    rates = dict.fromkeys(map(format_rate, phase.learning_rate.values()))
    text = f"{phase.n_epochs} epochs at {_join(rates)}"
    text += f", {phase.augment} augmentation" if phase.augment else ""
    return text + (", moving norm statistics" if phase.norm_statistics == "moving" else "")


def _join(words):
    """Return words as a list with "and" before the last."""
    return " and ".join(", ".join(words).rsplit(", ", 1))
