"""Policy × draw → what the network sees, beside what it was worth: the `AugmentationExplorer`."""

import dataclasses
import threading

import ipywidgets
import traitlets

from tlkit.inspection.augmentation import AugmentationChoice, Augmentations, read_augmentation
from tlkit.plots.augmentation import SIZE_INCHES, AugmentationPage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class AugmentationExplorer(Explorer):
    """Look at what a network sees under each augmentation of an ablation, draw by draw, and at what it was worth.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    backbone: Backbone
        Whose recipe says what the network sees.
    images: ImageSet
        The first six pictures are shown.
    comparison: Comparison
        At one number of shots, of strategies that differ in their augmentation, as `tlkit.strategies.augmented` makes
        them. Its augmentations are what can be chosen.
    n_draws: int
    seed: int
        Of the draws.

    `policy`, as "none", "crop" or "crop + mixup", and `draw`, from 0, are traits: assigning to them moves the controls,
    what isn't there is a TraitError. `status` is the line of text, `error` the exception that the last change ended in,
    or None.

    Raises ValueError for pictures and comparisons that don't fit.
    """

    policy = traitlets.Unicode()
    draw = traitlets.Int()

    def __init__(self, backbone, images, comparison, *, n_draws=10, seed=0):
        self.augmentations = Augmentations(backbone, images, comparison, n_draws=n_draws, seed=seed)
        policies = list(self.augmentations.arms)
        choice = AugmentationChoice(policies[-1])
        reading = read_augmentation(self.augmentations, choice)
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = AugmentationPage(comparison, len(self.augmentations.plain))
        self._controls = {
            "policy": ipywidgets.ToggleButtons(options=policies, value=choice.policy, style={"button_width": "auto"}),
            "draw": ipywidgets.SelectionSlider(options=range(n_draws), value=choice.draw),
        }
        self._view = make_picture(SIZE_INCHES, value=self._page.render(reading))
        self.status = StatusLine(reading.sentence)
        self._shown = choice
        rows = [
            ipywidgets.HBox([ipywidgets.Label(name, layout={"width": "4.5em"}), control])
            for name, control in self._controls.items()
        ]
        super().__init__([*rows, self.status, self._view], **dataclasses.asdict(choice))
        for control in self._controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(self._controls))

    @traitlets.validate("policy", "draw")
    def _check(self, proposal):
        wanted = {"policy": self.policy or "none", "draw": self.draw} | {proposal["trait"].name: proposal["value"]}
        try:
            self.augmentations.check(AugmentationChoice(**wanted))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _take(self, change):
        trait = next(name for name, control in self._controls.items() if control is change["owner"])
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            choice = AugmentationChoice(self.policy, self.draw)
            if choice == self._shown and self.error is None:
                return
            reading = read_augmentation(self.augmentations, choice)
            self._view.value = self._page.render(reading)
            self.status.text = reading.sentence
            self._shown, self.error = choice, None

    def snapshot(self, policy=None, draw=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a policy or draw that isn't there.
        """
        from IPython.display import Image

        choice = AugmentationChoice(policy or self.policy, self.draw if draw is None else draw)
        with self._lock:
            return Image(self._page.render(read_augmentation(self.augmentations, choice), compact=True))

    def __repr__(self):
        shown = self.augmentations
        return f"AugmentationExplorer({len(shown.arms)} policies × {shown.n_draws} draws, {len(shown.plain)} pictures)"
