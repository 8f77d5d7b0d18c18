"""A frozen network for feature extraction; torch is imported only if the network itself must run.

A published network's stages and fingerprint are recorded, so that its converted form is found without torch.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json

from tlkit.backbones.networks import find_entry, find_stage, is_text
from tlkit.backbones.recipe import Recipe, read_size
from tlkit.backbones.weights.hashes import known_sha256, record_sha256
from tlkit.backbones.weights.weight_files import find_file
from tlkit.storage import cache_folder, find_kept, written_whole


@dataclasses.dataclass(frozen=True)
class Output:
    """One output of a network: features, or a stage's pooled output, maps, or output as it is."""

    stage: str | None  # None for the features
    pooled: bool | None  # whether the mean over the spatial axes is taken; None leaves the order of axes
    spatial_axes: tuple  # of the stage's output
    shape: tuple  # of one row: (n_features,), or (n_channels, height, width) of maps


class FrozenNetwork:
    """A network's name, fingerprint, recipe and stages, and functions for output shapes and the backbone."""

    # `shapes` returns the shape (1, …) of a stage's output for one picture, or of the features for None. `is_covered`
    # is whether the fingerprint covers all that the network computes.
    def __init__(self, name, fingerprint, recipe, stages, shapes, load, is_covered=True):
        self.name, self.fingerprint, self.recipe, self.stages = name, fingerprint, recipe, tuple(stages)
        self._shapes, self._load, self.is_covered = shapes, load, is_covered
        self.is_own = False  # whether its code is the user's
        self.origin = None  # the frozen network that it was tuned from, whose conversion serves for the same stages

    @classmethod
    def of(cls, backbone):
        """Return the frozen network of a `Backbone`."""
        from tlkit.backbones.identity import is_covered

        def find_shape(stage):
            return (1, backbone.n_features) if stage is None else backbone.infer_shape(stage=stage)

        facts = backbone.name, backbone.fingerprint(), backbone.recipe, backbone.stages
        network = cls(*facts, find_shape, lambda: backbone, is_covered(backbone))
        network.is_own = backbone.made is not None
        return network

    @classmethod
    def named(cls, name, weights="pretrained", image_size_px=None):
        """Return the frozen network of `load_backbone`, from its record if there is one."""
        image_size_px = read_size(image_size_px)

        def load():
            from tlkit.backbones.loader import load_backbone

            return load_backbone(name, weights, image_size_px)

        file_name = _find_record(name, weights, image_size_px)
        record = _read_record(find_kept("converted", file_name)) if file_name else None
        if record:
            return cls(name, **record, load=load)
        network = cls.of(load())
        if is_text(name) and (path := find_file(find_entry(name))):  # loading has checked it against the published hash
            record_sha256(path, path.stat(), network.backbone.provenance["sha256"])
        # Looked up again, since the hash of the weights is known only after they were read.
        if (file_name := _find_record(name, weights, image_size_px)) and network.is_covered:
            network._write_record(cache_folder() / "converted" / file_name)
        return network

    @functools.cached_property
    def backbone(self):
        """The `Backbone`; torch is imported here at the latest."""
        return self._load()

    def output(self, stage, pooled):
        """Return the `Output` of a stage (str, negative int or None); without one, `pooled=False` means the last."""
        if stage is None and not pooled:
            stage = -1
        if stage is not None:
            stage = self.stages[find_stage(self.name, self.stages, stage)]
        shape = self._shapes(stage)
        axes = find_spatial_axes(shape)
        if pooled is None and axes != (2, 3):
            return Output(stage, None, (), shape[1:])
        channels = tuple(n for axis, n in enumerate(shape) if axis and axis not in axes)
        if self.recipe.noun == "text" and len(shape) == 3:
            channels = (channels[0] - 1,)  # without the mask
        if pooled or stage is None:
            return Output(stage, True, axes, channels)
        if len(axes) != 2:
            raise ValueError(
                f"pooled: False, but {stage} of {self.name} gives {' × '.join(map(str, shape[1:]))} numbers per "
                f"{self.recipe.noun}, which is no map of height and width; take pooled=True"
            )
        return Output(stage, False, axes, (*channels, shape[axes[0]], shape[axes[1]]))

    def _write_record(self, path):
        """Write the facts that let `named` skip loading the network."""
        record = {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "recipe": dataclasses.asdict(self.recipe),
            "stages": self.stages,
            "shapes": {stage or "": self._shapes(stage) for stage in (*self.stages, None)},
        }
        # If the disk is full, only the next call starts more slowly.
        with contextlib.suppress(OSError), written_whole(path) as temporary:
            temporary.write_text(json.dumps(record), encoding="utf-8")


def _read_record(path):
    """Return the arguments of `FrozenNetwork` from a record; None if there is none or it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))  # an AttributeError without a path
        shapes = {stage or None: tuple(shape) for stage, shape in record["shapes"].items()}
        kept = {name: record[name] for name in ("fingerprint", "stages")} | {"recipe": Recipe.of(record["recipe"])}
        return kept | {"shapes": shapes.__getitem__}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _find_record(name, weights, image_size_px):
    """Return the file name of a network's record; None if the hash of its weights isn't known."""
    try:
        entry = find_entry(name, weights) if isinstance(weights, str) else None
    except ValueError:  # an unknown name or a file of the user; load_backbone explains it
        return None
    path = find_file(entry) if entry else None
    sha256 = known_sha256(path) if path else None
    if sha256 is None:
        return None
    packages = ("tlkit", "torch", "torchvision", "timm", *(["transformers"] if is_text(name) else []))
    versions = {package: importlib.metadata.version(package) for package in packages}
    known = {"name": name, "weights": sha256, "image_size_px": image_size_px, "recipe": repr(entry.recipe)} | versions
    return f"{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]}.json"


def find_spatial_axes(shape):
    """Return the axes that are positions in the picture, of a stage's output shape (n, …) for square pictures."""
    # Most networks give (n, channels, side, side), Swin (n, side, side, channels), ViT (n, tokens, channels).
    if len(shape) == 4:
        return (1, 2) if shape[1] == shape[2] != shape[3] else (2, 3)
    return tuple(range(1, len(shape) - 1))
