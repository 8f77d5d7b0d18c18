"""Picture × depth × method → heat maps of the trained and of the randomised network: the `HeatMapExplorer`."""

import functools

import traitlets

from tlkit.inspection.random_weights import HeatStudy
from tlkit.plots.heat_maps import make_heat_page
from tlkit.summaries.heat_maps import HeatChoice, summarise_heat_maps
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons, make_slider


class HeatMapExplorer(ChoiceExplorer):
    """Make a network random from its head down, and see whether a heat map changes; all maps were computed before.

    Parameters
    ----------
    study : HeatStudy
        Result of `tlkit.inspection.study_heat_maps`.
    picture, depth, method : int, str and str, optional
        Choice to show first, by default picture 0, the first random depth and method; ValueError if it is unknown.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(1)
    >>> run = tl.transfer(backbone, images, "linear_probe", progress=False)
    >>> HeatMapExplorer(tl.inspection.study_heat_maps(run, images))
    HeatMapExplorer(2 pictures × 7 depths × 2 methods)
    """

    picture = traitlets.Int()
    depth = traitlets.Unicode()
    method = traitlets.Unicode()
    _validate = traitlets.validate("picture", "depth", "method")(ChoiceExplorer.validate_field)

    def __init__(self, study: HeatStudy, *, picture: int = 0, depth: str | None = None, method: str | None = None):
        self.study = study
        depth = depth or study.depths[min(1, len(study.depths) - 1)]
        pictures = [(f"{index}: {label}", index) for index, label in enumerate(study.labels)]
        super().__init__(
            HeatChoice(picture, depth, method or next(iter(study.maps))),
            {
                "picture": make_buttons(pictures),
                "depth": make_slider(study.depths, label="random down to"),
                "method": make_buttons(study.maps),
            },
            summarise=functools.partial(summarise_heat_maps, study),
            page=make_heat_page(study),
            clicks={"point": ["method", "depth"]},
        )

    def __repr__(self):
        n_pictures, n_depths = len(self.study.inputs), len(self.study.depths)
        return f"HeatMapExplorer({n_pictures} pictures × {n_depths} depths × {len(self.study.maps)} methods)"
