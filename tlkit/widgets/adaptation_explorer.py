"""Source × target × method → the map before and after, recalls and an alarm: the `AdaptationExplorer`."""

import functools
from collections.abc import Sequence

import numpy as np
import traitlets

import tlkit as tl
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.names import format_strategy
from tlkit.plots.adaptation import make_adaptation_page
from tlkit.summaries.adaptation import AdaptationChoice, AdaptationResults, summarise_adaptation
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons, refuse_value


class AdaptationExplorer(ChoiceExplorer):
    """Adapt one domain to another by a method: the map of features before and after, and the recall of each class.

    Building the explorer extracts the features once. A choice is computed when it is first shown, and kept.

    Parameters
    ----------
    backbone, images : Backbone, str or Features, and ImageSet
        A backbone, its name, or features of the pictures in order; and pictures of several domains.
    domains : list of str, optional
        Domains to choose from, by default all. The first is the source and the second the target at first.
    methods : list of str or dict, optional
        Methods as in `tlkit.adaptation.compare_pairs` that tune no network, by default all. The last is shown first.
    seed : int
        Seed of the split of each pair.

    Attributes
    ----------
    source, target, method : str
        The choice that is shown. Assigning one moves its control; equal source and target are exchanged.

    Raises
    ------
    TypeError or ValueError
        If domains, methods or features don't fit.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> AdaptationExplorer(made, images, methods=["coral"])
    AdaptationExplorer(2 domains × 2 methods, 469 pictures)
    """

    source = traitlets.Unicode()
    target = traitlets.Unicode()
    method = traitlets.Unicode()

    def __init__(
        self,
        backbone: "tl.Backbone | str | Features",
        images: ImageSet,
        domains: Sequence[str] | None = None,
        methods: Sequence[str] | dict | None = None,
        seed: int = 0,
    ):
        self.adaptations = AdaptationResults(backbone, images, domains, methods, seed=seed)
        domains, methods = self.adaptations.domains, list(self.adaptations.methods)
        options = {"source": domains, "target": domains, "method": methods}
        super().__init__(
            AdaptationChoice(domains[0], domains[1], methods[-1]),
            {name: make_buttons(offered, format_option=format_strategy) for name, offered in options.items()},
            check=self.adaptations.check,
            summarise=functools.partial(summarise_adaptation, self.adaptations),
            page=make_adaptation_page([images.classes[label] for label in np.unique(images.labels)]),
        )

    @traitlets.validate("source", "target", "method")
    def _validate(self, proposal):
        """Return a known domain or method; source and target may be equal, because `_show` exchanges them."""
        name = proposal["trait"].name
        with refuse_value():
            self._controls[name].check(name, proposal["value"])
        return proposal["value"]

    def _offers(self, _field, _choice):
        """Return True: each domain can be chosen, since source and target may be exchanged."""
        return True

    def _show(self, change):
        """Show the choice; if source and target are the same domain, exchange them first."""
        if self.source == self.target:
            other = "target" if change["name"] == "source" else "source"
            setattr(self, other, change["old"])  # which calls this method again
            return
        super()._show(change)

    def _show_choice(self):
        """Show the choice; announce it before if it takes time to compute."""
        choice = self._choose()
        if choice not in self.adaptations.results:
            self.status = f"{choice.source} → {choice.target}, {format_strategy(choice.method)}: computing …"
        super()._show_choice()

    def __repr__(self):
        n_domains, n_methods = len(self.adaptations.domains), len(self.adaptations.methods)
        images = self.adaptations.images
        return f"AdaptationExplorer({n_domains} domains × {n_methods} methods, {len(images)} {images.noun}s)"
