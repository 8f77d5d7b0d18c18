"""`Candidate`: a network, or a part of one, that may be chosen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tlkit.backbones.recipe import read_size
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet

if TYPE_CHECKING:
    from tlkit.backbones.backbone import Backbone

_WORTH_CONVERTING = 500  # pictures


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Describe a network, or a part of one, that may be chosen.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone or a name for `load_backbone`.
    stage : str or int, optional
        Stage after which the network is cut, by name or negative index. Its features are the mean over the stage's
        output map.
    image_size_px : int, optional
        Height and width of the input; by default the backbone's.
    name : str, optional
        By default composed of network, stage and size.

    Examples
    --------
    >>> Candidate("resnet18", stage=-2, image_size_px=64)
    Candidate(backbone='resnet18', stage=-2, image_size_px=64, name=None)
    """

    backbone: Backbone | str
    stage: str | int | None = None
    image_size_px: int | None = None
    name: str | None = None

    def build(self) -> Backbone:
        """Build the backbone for this candidate's image size.

        Returns
        -------
        Backbone
            It shares the parameters of the given one.
        """
        from tlkit.backbones.backbone import Backbone
        from tlkit.backbones.loader import load_backbone

        whole = self.backbone
        if isinstance(whole, str):
            whole = load_backbone(whole, image_size_px=self.image_size_px)
        if not isinstance(whole, Backbone):
            raise TypeError(f"backbones: a {type(whole).__name__}, expected Backbones, their names, or Candidates")
        if self.image_size_px in (None, whole.image_size_px):
            return whole
        _check_size(whole.name, self.image_size_px)
        recipe = whole.recipe.at(self.image_size_px)
        return Backbone(whole.name, dict(whole.body.items()), whole.tail, recipe, whole.provenance)

    def find_cut(self, backbone: Backbone) -> str | None:
        """Find the stage after which a backbone is cut.

        Parameters
        ----------
        backbone : Backbone
            A result of `build`.

        Returns
        -------
        str or None
            Name of the stage; None if it isn't cut, or only after the last stage.
        """
        index = len(backbone.stages) - 1 if self.stage is None else backbone.find_stage(self.stage)
        return None if index == len(backbone.stages) - 1 else backbone.stages[index]

    def extract(self, images: ImageSet, engine: str = "auto", *, cache: bool = True, progress: bool = True) -> Features:
        """Extract this candidate's features of pictures.

        Parameters
        ----------
        images : ImageSet
            Pictures.
        engine : str, default "auto"
            As in `extract_features`, as are `cache` and `progress`. However, "auto" chooses torch for fewer than 500
            pictures: these take less time than converting a network for OpenVINO.
        cache : bool, default True
            Whether to keep the features.
        progress : bool, default True
            Whether to show a progress bar.

        Returns
        -------
        Features
            One row per picture.
        """
        return self._extract_with(self.build(), images, engine, cache, progress)

    def _extract_with(self, backbone, images, engine, cache, progress):
        """Return the Features of pictures with a backbone from `build`."""
        from tlkit.features.extract import extract_features

        if engine == "auto" and len(images) < _WORTH_CONVERTING:
            engine = "torch"
        stage = self.find_cut(backbone)
        return extract_features(backbone, images, engine, cache=cache, progress=progress, stage=stage)


def _check_size(name, image_size_px):
    """Raise ValueError if a network of the catalogue can't take an image size."""
    from tlkit.backbones.networks import CATALOGUE

    smallest = CATALOGUE[name].smallest_size_px if name in CATALOGUE else 1
    fixed = name in CATALOGUE and CATALOGUE[name].fixed_size
    if fixed or read_size(image_size_px) < smallest:
        expected = "no other size than its own" if fixed else f"a whole number of at least {smallest}"
        raise ValueError(f"image_size_px: {image_size_px!r} for {name}, expected {expected}")
