"""Made claims: a table of replications over three choices, with verdicts that are known."""

import dataclasses
import itertools

import pandas as pd

CHOICES = {"first_seed": [0, 5], "image_size_px": [96, 128, 160], "domain": ["clipart", "sketch"]}


@dataclasses.dataclass(frozen=True)
class MadeClaim:
    """A stand-in for the result of `tl.claims.get`, with the fields that drawings and explorers read."""

    replications: pd.DataFrame
    choices: dict = dataclasses.field(default_factory=lambda: CHOICES)
    expected: object = "harms"
    effect: str = "difference in accuracy"
    name: str = "made"
    sentence: str = "Tuning everything harms."


def make_claim(expected="harms"):
    """Return a claim in 12 replications, of which 11 hold: that of sketches, 160 px and seed 5 can't be told."""
    rows = []
    for place, levels in enumerate(itertools.product(*CHOICES.values())):
        effect = -0.1 + 0.005 * (7 * place % 12)
        fails = levels == (5, 160, "sketch")
        high = 0.01 if fails else effect + 0.03
        rows.append((*levels, effect, effect - 0.03, high, not fails, "made CPU", "0.1.0", 1.0))
    columns = [*CHOICES, "effect", "low", "high", "holds", "processor", "version", "duration_s"]
    return MadeClaim(pd.DataFrame(rows, columns=columns), expected=expected)
