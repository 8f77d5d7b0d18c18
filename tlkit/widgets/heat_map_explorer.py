"""Picture × depth × method → heat maps as trained and made random: the `HeatMapExplorer`."""

import dataclasses
import threading

import ipywidgets
import traitlets

from tlkit.inspection.heat_reading import HeatChoice, check_heat, read_heat
from tlkit.plots.heat_study import SIZE_INCHES, HeatStudyPage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class HeatMapExplorer(Explorer):
    """Make a network random from its head down, and watch what becomes of a heat map.

    All maps were computed before; building it displays nothing. Where there are no widgets, a picture of it is shown
    instead.

    Arguments
    ---------
    study: HeatStudy
        As `tlkit.inspection.study_heat_maps` makes it.
    picture: int
        Position of the picture to begin with.
    depth, method: str, optional
        To begin with; by default the first depth that is random, and the first method.

    `picture`, `depth` and `method` are traits: assigning to them moves the controls, what isn't there is a TraitError.
    `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for a picture, depth or method that isn't there.
    """

    picture = traitlets.Int()
    depth = traitlets.Unicode()
    method = traitlets.Unicode()

    def __init__(self, study, *, picture=0, depth=None, method=None):
        self.study = study
        choice = HeatChoice(
            picture, depth or study.depths[min(1, len(study.depths) - 1)], method or next(iter(study.maps))
        )
        reading = read_heat(study, choice)
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = HeatStudyPage(study)
        buttons = {"style": {"button_width": "auto"}}
        self._controls = {
            "picture": ipywidgets.ToggleButtons(
                options=[(f"{place}: {label}", place) for place, label in enumerate(study.labels)],
                value=choice.picture,
                **buttons,
            ),
            "depth": ipywidgets.SelectionSlider(options=study.depths, value=choice.depth, layout={"width": "30em"}),
            "method": ipywidgets.ToggleButtons(options=list(study.maps), value=choice.method, **buttons),
        }
        self._view = make_picture(SIZE_INCHES, value=self._page.render(reading))
        self.status = StatusLine(reading.sentence)
        self._shown = choice
        names = {"picture": "picture", "depth": "random down to", "method": "method"}
        rows = [
            ipywidgets.HBox([ipywidgets.Label(names[name], layout={"width": "8em"}), control])
            for name, control in self._controls.items()
        ]
        super().__init__([*rows, self.status, self._view], **dataclasses.asdict(choice))
        for control in self._controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(self._controls))

    @traitlets.validate("picture", "depth", "method")
    def _check(self, proposal):
        try:
            check_heat(self.study, dataclasses.replace(self._shown, **{proposal["trait"].name: proposal["value"]}))
        except (ValueError, TypeError) as error:
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
            choice = HeatChoice(self.picture, self.depth, self.method)
            if choice == self._shown and self.error is None:
                return
            reading = read_heat(self.study, choice)
            self._view.value = self._page.render(reading)
            self.status.text = reading.sentence
            self._shown, self.error = choice, None

    def snapshot(self, picture=None, depth=None, method=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a picture, depth or method that isn't there.
        """
        from IPython.display import Image

        choice = HeatChoice(self.picture if picture is None else picture, depth or self.depth, method or self.method)
        with self._lock:
            return Image(self._page.render(read_heat(self.study, choice), compact=True))

    def __repr__(self):
        n_pictures, n_depths = len(self.study.squares), len(self.study.depths)
        return f"HeatMapExplorer({n_pictures} pictures × {n_depths} depths × {len(self.study.maps)} methods)"
