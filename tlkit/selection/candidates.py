"""`Candidate`: a network, or a part of one, that may be chosen."""

import dataclasses

import tlkit as tl
from tlkit.backbones.recipe import check_takes_pictures, read_size
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet

_WORTH_CONVERTING = 500  # pictures


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Describe a network, or a part of one, that may be chosen.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone or a name for `load_backbone`.
    stage : str or int, optional
        Stage after which the network is cut, by name or negative index. Its features are means over its output map.
    image_size_px : int, optional
        Height and width of the input; by default the backbone's.
    name : str, optional
        By default composed of network, stage and size.

    Examples
    --------
    >>> Candidate("resnet18", stage=-2, image_size_px=64)
    Candidate(backbone='resnet18', stage=-2, image_size_px=64, name=None)
    """

    backbone: "tl.Backbone | str"
    stage: str | int | None = None
    image_size_px: int | None = None
    name: str | None = None

    def build(self) -> "tl.Backbone":
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
        check_takes_pictures("image_size_px", whole)
        _check_size(whole.name, self.image_size_px)
        recipe = whole.recipe.at(self.image_size_px)
        return Backbone(whole.name, dict(whole.body.items()), whole.tail, recipe, whole.provenance)

    def _find_cut(self, backbone):
        """Return the stage after which a backbone from `build` is cut; None if no stage is left out."""
        index = len(backbone.stages) - 1 if self.stage is None else backbone.find_stage(self.stage)
        return None if index == len(backbone.stages) - 1 else backbone.stages[index]

    def extract(self, images: ImageSet, engine: str = "auto", *, cache: bool = True, progress: bool = True) -> Features:
        """Extract this candidate's features of pictures.

        Parameters
        ----------
        images : ImageSet
            Pictures.
        engine, cache, progress : str, bool and bool
            As in `extract_features`, but for fewer than 500 pictures "auto" chooses torch, which needs no conversion.

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
        stage = self._find_cut(backbone)
        return extract_features(backbone, images, engine, cache=cache, progress=progress, stage=stage)


def _check_size(name, image_size_px):
    """Raise ValueError if a network of the catalogue can't take an image size."""
    from tlkit.backbones.networks import CATALOGUE

    smallest = CATALOGUE[name].smallest_size_px if name in CATALOGUE else 1
    fixed = name in CATALOGUE and CATALOGUE[name].fixed_size
    if fixed or read_size(image_size_px) < smallest:
        expected = "no other size than its own" if fixed else f"a whole number of at least {smallest}"
        raise ValueError(f"image_size_px: {image_size_px!r} for {name}, expected {expected}")
