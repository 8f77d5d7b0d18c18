"""The levels of each choice that a reader accepts → the share of replications in which a claim holds."""

import collections
import functools

import traitlets

from tlkit.claims.claim import Claim
from tlkit.claims.ledger import get
from tlkit.plots.specification_curve import make_specification_page, summarise_curve
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons


class ClaimExplorer(ChoiceExplorer):
    """Untick choices that you find indefensible, and see in how many of the replications left a claim holds.

    Each choice is an attribute of the explorer: the tuple of its ticked levels, of which at least one stays.

    Parameters
    ----------
    claim : str or Claim
        Name of a claim of the ledger, as in `tl.claims.table()`, or a claim.

    Examples
    --------
    >>> claims = tl.claims.table()
    >>> name = claims.loc[claims["n_replications"] > 0, "name"].iloc[0]
    >>> ClaimExplorer(name).claim.name == name
    True
    """

    def __init__(self, claim: str | Claim):
        self.claim = claim = get(claim) if isinstance(claim, str) else claim
        offered = {name: tuple(levels) for name, levels in claim.choices.items()}
        traits = {name: traitlets.Tuple(default_value=levels) for name, levels in offered.items()}
        validate = traitlets.validate(*offered)(ChoiceExplorer.validate_field)
        traitlets.HasTraits.add_traits(self, **traits, _validate=validate)  # that of widgets takes no validator
        super().__init__(
            collections.namedtuple("ClaimChoice", offered)(**offered),
            {
                name: make_buttons(levels, label=name.replace("_", " "), kind="toggles")
                for name, levels in offered.items()
            },
            check=functools.partial(_check_levels, offered),
            summarise=lambda choice: summarise_curve(claim, choice._asdict()),
            page=make_specification_page(claim),
        )

    def __repr__(self):
        counts = f"{len(self.claim.choices)} choices, {len(self.claim.replications)} replications"
        return f"ClaimExplorer({self.claim.name}: {counts})"


def _check_levels(offered, choice):
    """Raise ValueError if no level of a choice is left."""
    for name, levels in choice._asdict().items():
        if not levels:
            raise ValueError(f"{name}: no level is left, expected at least one of {', '.join(map(str, offered[name]))}")
