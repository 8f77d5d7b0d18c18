"""Picture × depth × method → heat maps as trained and made random: the `HeatMapExplorer`."""

import ipywidgets
import traitlets

from tlkit.plots.heat_maps_page import SIZE_INCHES, HeatStudyPage
from tlkit.summaries.heat_maps import HeatChoice, check_heat, summarise_heat_maps
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons


class HeatMapExplorer(ChoiceExplorer):
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
        check_heat(study, choice)
        self._page = HeatStudyPage(study)
        pictures = [(f"{place}: {label}", place) for place, label in enumerate(study.labels)]
        depths = ipywidgets.SelectionSlider(options=study.depths, value=choice.depth, layout={"width": "30em"})
        controls = {
            "picture": make_buttons(pictures, choice.picture),
            "depth": depths,
            "method": make_buttons(study.maps, choice.method),
        }
        super().__init__(choice, controls, SIZE_INCHES, labels={"depth": "random down to"}, label_width="9em")

    @traitlets.validate("picture", "depth", "method")
    def _check(self, proposal):
        return self._validate_choice(proposal)

    def _check_choice(self, choice):
        check_heat(self.study, choice)

    def _read(self, choice):
        return summarise_heat_maps(self.study, choice)

    def snapshot(self, picture=None, depth=None, method=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a picture, depth or method that isn't there.
        """
        choice = HeatChoice(self.picture if picture is None else picture, depth or self.depth, method or self.method)
        return self._draw_still(choice)

    def __repr__(self):
        n_pictures, n_depths = len(self.study.squares), len(self.study.depths)
        return f"HeatMapExplorer({n_pictures} pictures × {n_depths} depths × {len(self.study.maps)} methods)"
