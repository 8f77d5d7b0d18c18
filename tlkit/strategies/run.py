"""`Run`: one strategy that was trained once, with what it predicts, cost and was made from."""

import dataclasses
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn

from tlkit import __version__
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.features.extraction import extract_features
from tlkit.images.gathering import gather_pictures
from tlkit.storage import written_whole

_WEIGHTS, _DESCRIPTION = "weights.safetensors", "run.json"
_TENSORS = ("backbone", "head")


@dataclasses.dataclass(eq=False)
class Run:
    """A trained backbone with its head; `transfer` makes one.

    Arguments
    ---------
    backbone: Backbone
    head: torch.nn.Linear
    classes: list of str
        What the head's outputs stand for.
    strategy: dict
        The description of what was trained, with batch size and weight decay.
    seed: int
    history: list of dict
        A row an epoch: epoch, loss, accuracy, learning_rate, n_steps.
    n_train: int
        Number of training pictures.
    train_hash: str
        Of the training pictures and labels.
    tuned: bool
        Whether anything but the head was trained.
    completed: bool
        False where the training was interrupted.
    duration_s: float
    peak_memory_mib: float
        Of the whole process while it was trained.
    looks: dict
        How often each test set, by its hash, was evaluated on.
    """

    backbone: nn.Module
    head: nn.Module
    classes: list
    strategy: dict
    seed: int
    history: list
    n_train: int
    train_hash: str
    tuned: bool
    completed: bool
    duration_s: float
    peak_memory_mib: float
    looks: dict = dataclasses.field(default_factory=dict)

    @property
    def n_steps(self):
        """Number of optimiser steps; a head that was solved took none."""
        return sum(row["n_steps"] for row in self.history)

    def predict(self, pictures, *, progress=False):
        """Return (n, n_classes) float64 probabilities.

        Arguments
        ---------
        pictures: ImageSet, or a list of paths, PIL pictures or arrays (height, width, 3) of uint8
        """
        pictures = gather_pictures(pictures)
        # What a frozen network says of a picture is asked again and kept; what a tuned one says is used once. To
        # convert it for another engine would not pay, nor would it for a network that was prepared for this run.
        engine = "torch" if self.tuned or "prepare" in self.strategy else "auto"
        features = extract_features(self.backbone, pictures, engine=engine, cache=not self.tuned, progress=progress)
        weight, bias = (value.detach().cpu().numpy() for value in (self.head.weight, self.head.bias))
        scores = features.values.astype(np.float64) @ weight.T.astype(np.float64) + bias
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def evaluate(self, images, *, progress=False):
        """Return the `Evaluation` on an ImageSet, whose looks are counted.

        Raises ValueError where it has pictures of a class that the run wasn't trained for.
        """
        images = images.with_classes(self.classes)
        test_hash = images.content_hash
        self.looks[test_hash] = self.looks.get(test_hash, 0) + 1
        return evaluate_probabilities(self.predict(images, progress=progress), images, self.looks[test_hash])

    def cost(self):
        """Return n_steps, duration_s, peak_memory_mib, n_parameters and n_flops (of one picture, forward)."""
        cost = self.backbone.cost()
        return {
            "n_steps": self.n_steps,
            "duration_s": self.duration_s,
            "peak_memory_mib": self.peak_memory_mib,
            "n_parameters": cost.n_parameters + sum(parameter.numel() for parameter in self.head.parameters()),
            "n_flops": cost.n_flops,
        }

    def save(self, folder):
        """Write the run into a folder: weights.safetensors and run.json, each whole or not at all."""
        from safetensors.torch import save_file

        folder = Path(folder)
        tensors = {
            f"{part}.{name}": value.contiguous()
            for part in _TENSORS
            for name, value in getattr(self, part).state_dict().items()
        }
        described = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in _TENSORS
        }
        described["backbone"] = {
            "name": self.backbone.name,
            "image_size_px": self.backbone.image_size_px,
            "provenance": self.backbone.provenance,
        }
        versions = {name: version(name) for name in ("torch", "torchvision")}
        described["versions"] = {"tlkit": __version__, "python": platform.python_version()} | versions
        text = json.dumps(described, indent=1)
        with written_whole(folder / _WEIGHTS) as temporary:
            save_file(tensors, temporary)
        with written_whole(folder / _DESCRIPTION) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def __repr__(self):
        state = "" if self.completed else ", interrupted"
        return (
            f"Run({self.strategy['name']} on {self.backbone.name}, seed {self.seed}, {self.n_train} pictures, "
            f"{self.n_steps} steps, {self.duration_s:.1f} s{state})"
        )


def load_run(folder):
    """Load a `Run` that `Run.save` wrote; FileNotFoundError where there is none."""
    from safetensors.torch import load_file

    from tlkit.backbones.loading import load_backbone

    folder = Path(folder)
    for name in (_WEIGHTS, _DESCRIPTION):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder: {folder.absolute()} has no {name}, expected a folder that Run.save wrote")
    described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    described.pop("versions")
    made = described.pop("backbone")
    tensors = load_file(folder / _WEIGHTS)
    backbone = load_backbone(made["name"], weights=None, image_size_px=made["image_size_px"])
    backbone.provenance = made["provenance"]
    head = nn.Linear(backbone.n_features, len(described["classes"]))
    for part, module in (("backbone", backbone), ("head", head)):
        module.load_state_dict({n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")})
    return Run(backbone=backbone.eval(), head=head.eval(), **described)
