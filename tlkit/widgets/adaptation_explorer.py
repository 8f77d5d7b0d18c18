"""Source × target × method → the map before and after, recalls and an alarm: the `AdaptationExplorer`."""

import numpy as np
import traitlets

from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.adaptation import SIZE_INCHES, AdaptationPage
from tlkit.summaries.adaptation import AdaptationChoice, Adaptations, summarise_adaptation
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons


class AdaptationExplorer(ChoiceExplorer):
    """Bring one domain to another by a method: what becomes of the clouds, and of each class.

    Building it extracts the features once and displays nothing. A pair and method is solved when it is first asked
    for, and kept. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        Features are those of `images`, in their order.
    images: ImageSet
        Of two domains or more.
    domains: list of str, optional
        By default all of the images. The explorer begins with the first as source and the second as target.
    methods: list of str, or dict, optional
        As in `tlkit.adaptation.compare_pairs`, those that tune no network; by default all of these. It begins with the
        last.
    seed: int
        Of how pairs are split.

    `source`, `target` and `method` are traits: assigning to them moves the controls, what isn't there is a TraitError.
    Who takes the target as source, or the source as target, exchanges the two. `status` is the line of text, `error`
    the exception that the last change ended in, or None.

    Raises ValueError or TypeError for domains, methods or features that don't fit.
    """

    source = traitlets.Unicode()
    target = traitlets.Unicode()
    method = traitlets.Unicode()

    def __init__(self, backbone, images, domains=None, methods=None, seed=0):
        self.adaptations = Adaptations(backbone, images, domains, methods, seed=seed)
        domains, methods = self.adaptations.domains, list(self.adaptations.methods)
        choice = AdaptationChoice(domains[0], domains[1], methods[-1])
        self._page = AdaptationPage(len(np.unique(images.labels)))
        options = {"source": domains, "target": domains, "method": methods}
        controls = {
            name: make_buttons([(format_strategy(option), option) for option in offered], getattr(choice, name))
            for name, offered in options.items()
        }
        super().__init__(choice, controls, SIZE_INCHES)

    @traitlets.validate("source", "target", "method")
    def _check(self, proposal):
        name = proposal["trait"].name
        known = self.adaptations.methods if name == "method" else self.adaptations.domains
        try:
            check_known(name, [proposal["value"]], list(known))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _show(self, change):
        if self.source == self.target:  # which calls this again
            other = "target" if change["name"] == "source" else "source"
            setattr(self, other, change["old"])
            return
        super()._show(change)

    def _read(self, choice):
        return summarise_adaptation(self.adaptations, choice)

    def _show_choice(self):
        choice = self._choose()
        if not self.adaptations.is_measured(choice):
            self.status.text = f"{choice.source} → {choice.target}, {format_strategy(choice.method)}: being solved …"
        super()._show_choice()

    def snapshot(self, source=None, target=None, method=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a domain or method that isn't there, or one domain twice.
        """
        return self._draw_still(AdaptationChoice(source or self.source, target or self.target, method or self.method))

    def __repr__(self):
        n_domains, n_methods = len(self.adaptations.domains), len(self.adaptations.methods)
        n_pictures = len(self.adaptations.images)
        return f"AdaptationExplorer({n_domains} domains × {n_methods} methods, {n_pictures} pictures)"
