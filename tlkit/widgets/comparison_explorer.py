"""Shots × strategy → score, confusions and mistakes: the `ComparisonExplorer`."""

import functools
import threading

import ipywidgets
import traitlets
from PIL import ImageOps

from tlkit.names import format_strategy
from tlkit.plots.comparison_page import SIZE_INCHES, ComparisonPage
from tlkit.summaries.comparison import Choice, check_choice, summarise_arm
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine

_THUMBNAIL_PX = 128


class ComparisonExplorer(Explorer):
    """Look at each arm of a comparison: its score in words, what it confuses, the pictures it got wrong.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    comparison: Comparison
    images: ImageSet
        The pictures that were compared on.
    strategy: str, optional
        What to look at first; by default the strategy named last.
    shots: int, optional
        By default the number in the middle.

    `strategy` and `shots` are traits: assigning to them moves the controls, an arm that wasn't compared is a
    TraitError. `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for an arm that wasn't compared, or other pictures than those compared on.
    """

    strategy = traitlets.Unicode()
    shots = traitlets.Int()

    def __init__(self, comparison, images, *, strategy=None, shots=None):
        strategies = list(dict.fromkeys(comparison.table["strategy"]))
        all_shots = sorted({int(number) for number in comparison.table["shots"]})
        strategy = strategies[-1] if strategy is None else strategy
        shots = all_shots[len(all_shots) // 2] if shots is None else shots
        first = summarise_arm(comparison, Choice(strategy, shots))
        self.comparison, self.images = comparison, images
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = ComparisonPage(comparison, first.classes, _thumbnails(comparison, images))
        self._strategies = ipywidgets.ToggleButtons(
            options=[(format_strategy(name), name) for name in strategies],
            value=strategy,
            style={"button_width": "auto"},
        )
        self._shots = _make_shots(all_shots, shots)
        self._picture = make_picture(SIZE_INCHES, value=self._page.render(first))
        self.status = StatusLine(first.sentence)
        self._shown = first.choice
        rows = [_make_row("strategy", self._strategies), _make_row("shots", self._shots, "training pictures a class")]
        super().__init__([*rows, self.status, self._picture], strategy=strategy, shots=shots)
        self._strategies.observe(self._take, "value")
        self._shots.observe(self._take, "value")
        self.observe(self._show, ["strategy", "shots"])

    @traitlets.validate("strategy", "shots")
    def _check(self, proposal):
        wanted = {"strategy": self.strategy, "shots": self.shots, proposal["trait"].name: proposal["value"]}
        try:
            check_choice(self.comparison, Choice(**wanted))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _take(self, change):
        trait = "strategy" if change["owner"] is self._strategies else "shots"
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        self._strategies.value, self._shots.value = self.strategy, self.shots
        with self._lock:
            choice = Choice(self.strategy, self.shots)
            if choice == self._shown and self.error is None:
                return
            summary = summarise_arm(self.comparison, choice)
            self._picture.value = self._page.render(summary)
            self.status.text = summary.sentence
            self._shown, self.error = choice, None

    def snapshot(self, strategy=None, shots=None):
        """Return what the explorer shows of an arm as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for an arm that wasn't compared.
        """
        from IPython.display import Image

        choice = Choice(self.strategy if strategy is None else strategy, self.shots if shots is None else shots)
        with self._lock:
            return Image(self._page.render(summarise_arm(self.comparison, choice), compact=True))

    def __repr__(self):
        n_strategies, n_shots = len(self._strategies.options), len(self._shots.options)
        return f"ComparisonExplorer({n_strategies} strategies × {n_shots} shots, {len(self.images)} pictures)"


def _make_shots(all_shots, shots):
    # Of one number there is nothing to slide to, and the slider of the front end fails on it.
    kind = ipywidgets.SelectionSlider if len(all_shots) > 1 else ipywidgets.ToggleButtons
    return kind(options=all_shots, value=shots)


def _make_row(label, control, unit=""):
    parts = [ipywidgets.Label(label, layout={"width": "4.5em"}), control, ipywidgets.Label(unit)]
    return ipywidgets.HBox(parts, layout={"align_items": "center"})


def _thumbnails(comparison, images):
    """Return a function from a picture's name to its thumbnail; those that were asked for are kept."""
    places = {name: place for place, name in enumerate(images.names)}
    if missing := sorted(set(comparison.predictions["picture"]) - places.keys()):
        raise ValueError(
            f"images: {missing[0]!r} is not there, nor are {len(missing) - 1} more of the pictures compared on; "
            "pass the ImageSet that was compared on"
        )

    @functools.lru_cache(maxsize=2000)
    def read(name):
        return ImageOps.contain(images.read(places[name]), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read
