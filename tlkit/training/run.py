"""`Run`: one strategy that was trained once, with what it predicts, cost and was made from."""

import dataclasses

import numpy as np
from torch import nn

from tlkit.arguments import check_count
from tlkit.backbones.loader import load_backbone
from tlkit.backbones.weights.error import WeightsError
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.features.extract import extract_features
from tlkit.images.inputs import gather_pictures
from tlkit.training.changed_weights import compose, list_changed, load_start
from tlkit.training.run_files import (
    check_description,
    check_tensors,
    name_processor,
    read_run,
    read_versions,
    write_run,
)
from tlkit.training.target_pictures import list_digests
from tlkit.training.test_time_augmentation import check_views, extract_views

# The parts of a run that are tensors.
_TENSORS = ("backbone", "head", "adapters")
# Fields that runs which were saved before don't have.
_ADDED_LATER = {"adapted_to"}


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
        A row an epoch: epoch, loss, accuracy, learning_rate, n_steps, front, autocast, as `Training.history` has them.
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
    n_trained: int
        Number of parameters that learned: the most that a phase trained.
    start_hash: str
        Of the weights and buffers of the backbone that it started from.
    changed: list of str
        Names of the backbone's weights and buffers that have other bits than those that it started from.
    adapters: dict of str to tensor
        Low-rank adapters that were merged into the weights, as `tlkit.training.lora.merge_lora` leaves them.
    looks: dict
        How often each test set, by its hash, was evaluated on.
    adapted_to: list of str
        The pictures of a target domain that it was adapted to, by the digests of their contents.
    versions: dict, optional
        Of tlkit, Python and the libraries that it was trained with; by default those of this process.
    processor: str
        Of the machine that it was trained on; by default this one.
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
    n_trained: int
    start_hash: str
    changed: list
    adapters: dict = dataclasses.field(default_factory=dict)
    looks: dict = dataclasses.field(default_factory=dict)
    adapted_to: list = dataclasses.field(default_factory=list)
    versions: dict | None = None
    processor: str = dataclasses.field(default_factory=name_processor)

    def __post_init__(self):
        if self.versions is None:
            self.versions = read_versions(with_adapters=bool(self.adapters))

    @property
    def n_steps(self):
        """Number of optimiser steps; a head that was solved took none."""
        return sum(row["n_steps"] for row in self.history)

    def predict(self, pictures, *, n_views=1, augment=None, seed=0, progress=False):
        """Return (n, n_classes) float64 probabilities.

        Arguments
        ---------
        pictures: ImageSet, or a list of paths, PIL pictures or arrays (height, width, 3) of uint8
        n_views: int
            With `augment`: the probabilities are the mean over so many drawn views of each picture (Krizhevsky,
            Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks, who take ten
            fixed crops). The picture as it is isn't among them.
        augment: str or list of str, optional
            What changes the pictures, as in `Phase`; policies that mix pictures can't be asked about.
        seed: int
            Of the views, which depend also on the picture's place.
        progress: bool

        Raises ValueError for several views without `augment`, and for policies that mix pictures.
        """
        n_views, augment = check_views(n_views, augment)
        seed = check_count("seed", seed, 0)
        pictures = gather_pictures(pictures)
        if augment is not None:
            pretrained = not (self.tuned or "prepare" in self.strategy)
            settings = {"seed": seed, "pretrained": pretrained, "progress": progress}
            views = extract_views(self.backbone, pictures, augment, n_views, **settings)
            return sum(map(self._apply_head, views)) / n_views
        # What a frozen network says of a picture is asked again and kept; what a tuned one says is used once. To
        # convert it for another engine would not pay, nor would it for a network that was prepared for this run.
        engine = "torch" if self.tuned or "prepare" in self.strategy else "auto"
        features = extract_features(self.backbone, pictures, engine=engine, cache=not self.tuned, progress=progress)
        return self._apply_head(features.values)

    def _apply_head(self, values):
        weight, bias = (value.detach().cpu().numpy() for value in (self.head.weight, self.head.bias))
        scores = values.astype(np.float64) @ weight.T.astype(np.float64) + bias
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def evaluate(self, images, *, n_views=1, augment=None, seed=0, progress=False):
        """Return the `Evaluation` on an ImageSet, whose looks are counted.

        It says whether it is transductive: whether the run was adapted, without labels, to some of these pictures.

        Arguments
        ---------
        images: ImageSet
        n_views, augment, seed, progress
            As in `predict`.

        Raises ValueError where it has pictures of a class that the run wasn't trained for, and what `predict` raises.
        """
        check_views(n_views, augment)  # before the look is counted
        images = images.with_classes(self.classes)
        test_hash = images.content_hash
        self.looks[test_hash] = self.looks.get(test_hash, 0) + 1
        transductive = not set(self.adapted_to).isdisjoint(list_digests(images))
        probabilities = self.predict(images, n_views=n_views, augment=augment, seed=seed, progress=progress)
        return evaluate_probabilities(probabilities, images, self.looks[test_hash], transductive=transductive)

    def cost(self):
        """Return what the run took, and what it takes to keep and to use it.

        A dict: n_steps, duration_s, peak_memory_mib; n_trained, the parameters that learned, of n_parameters;
        stored_mib, the size of `changes`; n_flops, of one picture, forward.
        """
        cost = self.backbone.cost()
        return {
            "n_steps": self.n_steps,
            "duration_s": self.duration_s,
            "peak_memory_mib": self.peak_memory_mib,
            "n_trained": self.n_trained,
            "n_parameters": cost.n_parameters + sum(parameter.numel() for parameter in self.head.parameters()),
            "stored_mib": sum(value.nbytes for value in self.changes().values()) / 2**20,
            "n_flops": cost.n_flops,
        }

    def changes(self):
        """Return what has to be stored where the backbone that the run started from is at hand: {name: tensor}.

        "backbone.…" are the weights and buffers, such as norm statistics, that have other bits now; "adapters.…" take
        the place of the weights that they were merged into; "head.…" is all of the head.
        """
        merged = {f"{name.removesuffix('.lora_A')}.weight" for name in self.adapters if name.endswith(".lora_A")}
        state = self.backbone.state_dict()
        parts = {
            "backbone": {name: state[name] for name in self.changed if name not in merged},
            "head": self.head.state_dict(),
            "adapters": self.adapters,
        }
        return _join(parts)

    def save(self, folder, only_changes=False):
        """Write the run into a folder: its weights, and run.json with everything else.

        Both are whole and belong together, whatever happens meanwhile; an earlier run in the folder is replaced.

        Arguments
        ---------
        folder: str or Path
        only_changes: bool
            Write only `changes`, which takes far less room after a training of few parameters. To load it again the
            pretrained weights must be at hand.

        Raises ValueError where only changes can't be written: the run didn't start from the pretrained weights that
        `load_backbone` finds by the backbone's name, or its backbone was changed after the training.
        """
        if only_changes:
            self._check_that_changes_suffice()
            tensors = self.changes()
        else:
            parts = {"backbone": self.backbone.state_dict(), "head": self.head.state_dict(), "adapters": self.adapters}
            tensors = _join(parts)
        described = {name: getattr(self, name) for name in _names_of_fields() if name not in _TENSORS}
        described["backbone"] = {
            "name": self.backbone.name,
            "image_size_px": self.backbone.image_size_px,
            "provenance": self.backbone.provenance,
        }
        write_run(folder, tensors, described | {"only_changes": only_changes})

    def _check_that_changes_suffice(self):
        remedy = "save the run whole, with only_changes=False"
        try:
            start = load_start(self.backbone.name, self.backbone.image_size_px, self.start_hash).state_dict()
        except WeightsError as error:
            raise ValueError(f"only_changes: {error}; {remedy}") from error
        parts = _split({name: value.detach().cpu() for name, value in self.changes().items()})
        composed = compose(start, parts["backbone"], parts["adapters"])
        if differing := list_changed(self.backbone.state_dict(), composed):
            raise ValueError(f"only_changes: {differing[0]} was changed after the training; {remedy}")

    def __repr__(self):
        state = "" if self.completed else ", interrupted"
        return (
            f"Run({self.strategy['name']} on {self.backbone.name}, seed {self.seed}, {self.n_train} pictures, "
            f"{self.n_steps} steps, {self.duration_s:.1f} s{state})"
        )


def check_run(argument, run):
    """Raise TypeError where `run` is none; `argument` is what the caller calls it."""
    if not isinstance(run, Run):
        raise TypeError(f"{argument}: {run!r} is a {type(run).__name__}, expected a Run, as transfer returns one")


def load_run(folder):
    """Load a `Run` that `Run.save` wrote; it predicts the same bits.

    Raises FileNotFoundError where a file is missing, ValueError where one is damaged or is another run's, and
    `WeightsError` where only changes were saved and the pretrained weights that they belong to aren't at hand.
    """
    tensors, described = read_run(folder)
    expected = {*_names_of_fields(), "only_changes"} - {"head", "adapters"}
    expected -= _ADDED_LATER - described.keys()
    check_description(folder, described, expected)
    made, only_changes = described.pop("backbone"), described.pop("only_changes")
    check_description(folder, made, {"name", "image_size_px", "provenance"})
    parts = _split(tensors)
    if only_changes:
        try:
            backbone = load_start(made["name"], made["image_size_px"], described["start_hash"])
        except WeightsError as error:
            raise WeightsError(f"folder: {folder} holds only what a training changed, and {error}") from error
        state = compose(backbone.state_dict(), parts["backbone"], parts["adapters"])
    else:
        backbone = load_backbone(made["name"], weights=None, image_size_px=made["image_size_px"])
        state = parts["backbone"]
    backbone.provenance = made["provenance"]
    head = nn.Linear(backbone.n_features, len(described["classes"]))
    for module, values in ((backbone, state), (head, parts["head"])):
        check_tensors(folder, values, module.state_dict())
        module.load_state_dict(values)
    return Run(backbone=backbone.eval(), head=head.eval(), adapters=parts["adapters"], **described)


def _names_of_fields():
    return [field.name for field in dataclasses.fields(Run)]


def _join(parts):
    return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}


def _split(tensors):
    parts = {part: {} for part in _TENSORS}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return parts
