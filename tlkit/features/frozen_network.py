"""A frozen network as extraction sees it: what decides its features, and the network itself only where it must run.

What a published network of the catalogue is, its stages and the fingerprint of its weights, is remembered on disk once
it was loaded, so that a converted network can serve later calls by name without torch.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json

from tlkit.backbones.networks import find_entry, find_stage
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.weights.hashes import known_sha256
from tlkit.backbones.weights.weight_files import find_file
from tlkit.storage import cache_folder, written_whole


@dataclasses.dataclass(frozen=True)
class Output:
    """What is taken from a network.

    Arguments
    ---------
    stage: str or None
        Name of a stage; None: the network's features.
    pooled: bool or None
        Whether the mean over places is taken; None: what comes is left in its own order of axes.
    places: tuple of int
        Axes of the output that are places.
    shape: tuple of int
        Of one row, as it is kept: (n_features,), or (n_channels, height, width) of a map.
    """

    stage: str | None
    pooled: bool | None
    places: tuple
    shape: tuple


class FrozenNetwork:
    """A network that gives features.

    Arguments
    ---------
    name, fingerprint: str
    recipe: Recipe
    shapes: callable
        Gives the shape of a stage's output for one picture, (1, …), by the stage's name; of the features by None.
    stages: tuple of str
    load: callable
        Gives the Backbone.
    """

    def __init__(self, name, fingerprint, recipe, stages, shapes, load):
        self.name, self.fingerprint, self.recipe, self.stages = name, fingerprint, recipe, tuple(stages)
        self._shapes, self._load = shapes, load

    @classmethod
    def of(cls, backbone):
        """Return the one for a `Backbone`."""

        def find_shape(stage):
            if stage is None:
                return (1, backbone.n_features)
            return backbone.infer_shape(backbone.image_size_px, stage)

        return cls(
            backbone.name, backbone.fingerprint(), backbone.recipe, backbone.stages, find_shape, lambda: backbone
        )

    @classmethod
    def named(cls, name, weights="pretrained", image_size_px=None):
        """Return the one that `load_backbone` would load; what is remembered of it is not loaded.

        Arguments as in `load_backbone`, whose errors it raises.
        """
        load = functools.partial(_load, name, weights, image_size_px)
        remembered = _read_record(_find_record(name, weights, image_size_px))
        if remembered:
            return cls(name, **remembered, load=load)
        network = cls.of(load())
        # Looked for again: the hash of the weights is known only now that they were read.
        if path := _find_record(name, weights, image_size_px):
            network._remember(path)
        return network

    @functools.cached_property
    def backbone(self):
        """The `Backbone`; torch is imported at the latest here."""
        return self._load()

    @property
    def image_size_px(self):
        """Height and width of what the network sees."""
        return self.recipe.crop_size_px

    def output(self, stage, pooled):
        """Return the `Output` that is meant; ValueError where there is no such stage, or it has no map.

        Arguments
        ---------
        stage: str, negative int or None
        pooled: bool or None
            False without a stage means the map that comes out of the last. None means a stage's output as it comes, in
            its own order of axes.
        """
        if stage is None and not pooled:
            stage = -1
        if stage is not None:
            stage = self.stages[find_stage(self.name, self.stages, stage)]
        shape = self._shapes(stage)
        places = find_places(shape)
        if pooled is None and places != (2, 3):
            return Output(stage, None, (), shape[1:])
        if pooled or stage is None:
            channels = [n for axis, n in enumerate(shape) if axis and axis not in places]
            return Output(stage, True, places, tuple(channels))
        if len(places) != 2:
            raise ValueError(
                f"pooled: False, but {stage} of {self.name} gives {' × '.join(map(str, shape[1:]))} numbers a picture, "
                "which is no map of height and width; take pooled=True"
            )
        (channels,) = (n for axis, n in enumerate(shape) if axis and axis not in places)
        return Output(stage, False, places, (channels, shape[places[0]], shape[places[1]]))

    def _remember(self, path):
        record = {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "recipe": dataclasses.asdict(self.recipe),
            "stages": self.stages,
            "shapes": {stage or "": self._shapes(stage) for stage in (*self.stages, None)},
        }
        # A full disk costs the next call its quick start, nothing else.
        with contextlib.suppress(OSError), written_whole(path) as temporary:
            temporary.write_text(json.dumps(record), encoding="utf-8")


def _read_record(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path else None
        if record is None:
            return None
        shapes = {stage or None: tuple(shape) for stage, shape in record["shapes"].items()}
        recipe = {name: tuple(value) if isinstance(value, list) else value for name, value in record["recipe"].items()}
        kept = {"fingerprint": record["fingerprint"], "stages": record["stages"], "recipe": Recipe(**recipe)}
        return kept | {"shapes": shapes.__getitem__}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not remembered, or damaged
        return None


def _load(name, weights, image_size_px):
    from tlkit.backbones.loader import load_backbone

    return load_backbone(name, weights, image_size_px)


def _find_record(name, weights, image_size_px):
    # Where it stands what is known of a network; None where its weights aren't known by their hash.
    try:
        entry = find_entry(name, weights) if isinstance(weights, str) else None
    except ValueError:  # an unknown name, or a file of the user's: load_backbone says more
        return None
    path = find_file(entry) if entry else None
    sha256 = known_sha256(path) if path else None
    if sha256 is None:
        return None
    versions = {package: importlib.metadata.version(package) for package in ("tlkit", "torch", "torchvision")}
    known = {"name": name, "weights": sha256, "image_size_px": image_size_px, "recipe": repr(entry.recipe)} | versions
    key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]
    return cache_folder() / "converted" / f"{key}.json"


def find_places(shape):
    """Return the axes of places in the output of a stage for one square picture.

    (n, channels, side, side) is what most networks have; Swin has (n, side, side, channels), ViT (n, tokens, channels),
    the class token among them; (n, channels) has no places.

    Arguments
    ---------
    shape: tuple of int
        With the number of pictures first.

    >>> find_places((1, 64, 7, 7)), find_places((1, 7, 7, 64)), find_places((1, 197, 768)), find_places((1, 512))
    ((2, 3), (1, 2), (1,), ())
    """
    if len(shape) == 4:
        return (1, 2) if shape[1] == shape[2] != shape[3] else (2, 3)
    return tuple(range(1, len(shape) - 1))
