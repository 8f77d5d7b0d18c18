"""`Run`: one strategy that was trained once, with its predictions, its cost and its origin."""

import collections.abc
import dataclasses
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.weights.error import WeightsError
from tlkit.images.imageset import ImageSet
from tlkit.training.changed_weights import check_loadable, compose, find_start, list_changed
from tlkit.training.run_files import describe_run, join_parts, name_processor, read_versions, split_parts, write_run
from tlkit.training.run_predictions import Predictions


@dataclasses.dataclass(eq=False)
class Run(Predictions):
    """Hold a trained strategy: the backbone with its head, the training, and its cost; `transfer` returns one.

    Parameters
    ----------
    backbone : Backbone
        The trained backbone, in evaluation mode.
    head, classes : torch.nn.Linear and list of str
        Maps features to scores, and the class of each score.
    strategy, seed : dict and int
        Description of the strategy with the settings of the training, as plain values, and the seed of the training.
    history : list of dict
        One row per epoch, with these columns:

        - epoch (int): number of the epoch in the run, from 1.
        - loss (float): mean over the epoch's steps.
        - accuracy (float): of training pictures in these steps, mixed ones by their larger share; NaN without a source.
        - learning_rate (float): largest of the phase, at its last step of the epoch.
        - n_steps (int), mixed_precision (bool): optimizer steps, and whether they were taken in bfloat16.
        - frozen_prefix (str or None): last stage whose output was computed once for the phase.
        - objective_loss (float): part of the loss from the objective, if the phase has one; some report more.
        - validation_loss, validation_accuracy (float): on held-out pictures, if there are any.
    n_train, train_hash : int and str
        Number of training pictures, and hash of these and their labels.
    tuned, completed : bool
        Whether anything but the head was trained, here or before, and whether the training came to its end.
    duration_s, peak_memory_mib : float
        Duration of the training in seconds, and largest memory of the process meanwhile in MiB.
    n_trained : int
        Number of parameters that the largest phase trained.
    start_hash, changed : str and list of str
        Hash of the weights and buffers from which the backbone started, and names of those that differ now.
    adapters : dict of str to torch.Tensor, optional
        Low-rank adapters that were merged into the weights: A as "….lora_A", B × scale as "….lora_B".
    looks : dict of str to int, optional
        Number of evaluations on each test set, by its hash.
    trained_on, adapted_to : list of str, optional
        Hashes of the training pictures, and of the pictures of a target domain that the run was adapted to.
    report : dict, optional
        Plain values for the card of the run, for example its score on held-out pictures, as `tlkit.train` states them.
    rejection : Rejection, optional
        Thresholds for pictures of no class, as `tlkit.evaluation.fit_rejection` returns them.
    versions, processor, n_threads : dict of str to str, str, and int, optional
        Versions of tlkit, Python and libraries, name of the processor, torch's threads; by default the present ones.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 2, 1e-2)]), progress=False)
    >>> run.n_steps, run.predict(images).shape == (len(images), len(run.classes))
    (4, True)
    """

    backbone: Backbone
    head: nn.Linear
    classes: list[str]
    strategy: dict
    seed: int
    history: list[dict]
    n_train: int
    train_hash: str
    tuned: bool
    completed: bool
    duration_s: float
    peak_memory_mib: float
    n_trained: int
    start_hash: str
    changed: list[str]
    adapters: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    looks: dict[str, int] = dataclasses.field(default_factory=dict)
    trained_on: list[str] = dataclasses.field(default_factory=list)
    adapted_to: list[str] = dataclasses.field(default_factory=list)
    report: dict = dataclasses.field(default_factory=dict)
    rejection: object = None
    versions: dict[str, str] | None = None
    processor: str = dataclasses.field(default_factory=name_processor)
    n_threads: int = dataclasses.field(default_factory=torch.get_num_threads)

    def __post_init__(self):
        if self.versions is None:
            self.versions = read_versions(with_adapters=bool(self.adapters))

    @property
    def n_steps(self) -> int:
        """Number of optimizer steps; 0 for a head that was solved."""
        return sum(row["n_steps"] for row in self.history)

    def cost(self) -> dict[str, float]:
        """Measure the cost of training, storing and using the run.

        Returns
        -------
        dict
            With these entries:

            - n_steps (int): optimizer steps.
            - duration_s (float): duration of the training in seconds.
            - peak_memory_mib (float): largest memory of the process during the training, in MiB.
            - n_trained (int): trained parameters.
            - n_parameters (int): all parameters of backbone and head.
            - stored_mib (float): size of `changes` in MiB.
            - n_flops (int): floating-point operations of the forward pass per picture.
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

    def changes(self) -> dict[str, torch.Tensor]:
        """List the tensors to store if the backbone that the run started from is available.

        Returns
        -------
        dict of str to torch.Tensor
            By name: "backbone.…" for weights and buffers that changed, "adapters.…" for low-rank adapters instead of
            the weights that they were merged into, "head.…" for the whole head, and "rejection.…" for a rejection.
        """
        merged = {f"{name.removesuffix('.lora_A')}.weight" for name in self.adapters if name.endswith(".lora_A")}
        state = self.backbone.state_dict()
        return self._join({name: state[name] for name in self.changed if name not in merged})

    def _join(self, state):
        """Return {"part.name": tensor} of some tensors of the backbone, and all of head, adapters and rejection."""
        kept = {"rejection": self.rejection.tensors if self.rejection else {}, "recipe": self.backbone.recipe.stored}
        parts = {"backbone": state, "head": self.head.state_dict(), "adapters": self.adapters}
        arrays = join_parts(kept)
        return join_parts(parts) | {name: torch.from_numpy(value) for name, value in arrays.items()}

    def save(self, folder: str | Path, only_changes: bool = False) -> None:
        """Save the run in a folder: its weights, and run.json with everything else.

        An earlier run in the folder is replaced. Whatever happens meanwhile, the folder has the earlier or the new run.

        Parameters
        ----------
        folder : str or Path
            Folder, which is created if there is none.
        only_changes : bool, default=False
            Whether to save only `changes`, which is smaller. Loading then needs the pretrained weights.

        Raises
        ------
        ValueError
            If `load_backbone` does not make this network, the folder has another run.json, or changes alone don't give
            the weights, because the run started from others than `load_backbone` finds, or was changed afterwards.
        """
        check_loadable(self.backbone)
        if only_changes:
            self._check_that_changes_suffice()
        tensors = self.changes() if only_changes else self._join(self.backbone.state_dict())
        write_run(folder, tensors, describe_run(self) | {"only_changes": only_changes})

    def export(
        self,
        folder: str | Path,
        kind: str = "web",
        pictures: ImageSet | str | Path | Image.Image | collections.abc.Sequence | None = None,
        progress: bool = True,
    ) -> dict:
        """Write the run into a folder as a model for other programs, and check that it predicts the same.

        Parameters
        ----------
        folder : str or Path
            New or empty folder, or one of an earlier export of this kind, which stays until the new one is complete.
        kind : {"web", "onnx", "openvino"}, default="web"
            A web page in one file or an ONNX model, which need the extra "onnx", or a model to predict without torch.
        pictures, progress : object, and bool, default=True
            Pictures to compare predictions on, as in `predict`, by default bundled ones; and whether to show a bar.

        Returns
        -------
        dict
            The content of export.json, with largest_difference (of a probability), n_disagreements, and checked_in.

        Raises
        ------
        ValueError
            If a probability differs by more than 0.01 (OpenVINO 0.0001), or a class; or the folder has other files.

        Examples
        --------
        >>> import tempfile
        >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
        >>> run = tl.transfer(backbone, tl.load_images("styles", domain="photo").few(1), progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run.export(folder, kind="openvino", progress=False)["n_disagreements"]
        0
        """
        from tlkit.export.export import export_run

        return export_run(self, folder, kind, pictures, progress)

    def _check_that_changes_suffice(self):
        """Raise ValueError if the pretrained weights and the changes don't give the run's backbone."""
        remedy = "save the run whole, with only_changes=False"
        try:
            start = find_start(self.backbone, self.start_hash).state_dict()
        except (WeightsError, ValueError) as error:
            raise ValueError(f"only_changes: {error}; {remedy}") from error
        parts = split_parts({name: value.detach().cpu() for name, value in self.changes().items()})
        composed = compose(start, parts["backbone"], parts["adapters"])
        if differing := list_changed(self.backbone.state_dict(), composed):
            raise ValueError(f"only_changes: {differing[0]} was changed after the training; {remedy}")

    def __repr__(self):
        state = "" if self.completed else ", interrupted"
        start = f"Run({self.strategy['name']} on {self.backbone.name}, seed {self.seed}, {self.n_train} pictures"
        return f"{start}, {self.n_steps} steps, {self.duration_s:.1f} s{state})"


def check_run(argument, run):
    """Raise TypeError if the argument of that name is no `Run`."""
    if not isinstance(run, Run):
        raise TypeError(f"{argument}: {run!r} is a {type(run).__name__}, expected a Run, as transfer returns one")
