"""`Backbone`: a pretrained network without its classifier."""

import contextlib
import copy
import dataclasses
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

from tlkit.backbones.identity import describe_settings, find_loose_tensors
from tlkit.backbones.networks import find_stage
from tlkit.backbones.recipe import Recipe
from tlkit.cpu.threads import default_states

# These layers change no shape and count no operations, but PyTorch would take long to infer their shapes.
_KEEP_SHAPE = (nn.BatchNorm2d, nn.ReLU, nn.Hardtanh, nn.Hardswish, nn.SiLU)


def hash_tensors(tensors, heading=""):
    """Return a SHA-256 of a heading and the names, types, shapes and bits of {name: tensor}."""
    content = hashlib.sha256(heading.encode())
    for name, tensor in tensors.items():
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return content.hexdigest()


def draw_inputs(recipe, n, seed=0):
    """Return a batch of n random inputs of a network with this recipe."""
    if recipe.noun == "text":
        return torch.from_numpy(recipe.draw(n, seed))
    return torch.randn((n, *recipe.input_shape), generator=torch.Generator().manual_seed(seed))


def copy_modules(network, device=None):
    """Return a copy for evaluation without gradients; its tensors are the same, or on another device, as on "meta"."""
    # Modes and hooks of the copy are its own, so other threads may use the network meanwhile.
    tensors = (*network.parameters(), *network.buffers())
    memo = {id(value): value.detach().to(device or value.device) for value in tensors}
    return copy.deepcopy(network, memo).eval()


@dataclasses.dataclass(frozen=True)
class Cost:
    """Parameters and operations of a network."""

    n_parameters: int
    n_flops: int  # forward, one picture; a multiplication with its addition counts as 2
    parameters_mib: float  # memory of the parameters


class Backbone(nn.Module):
    """Hold a network without its classifier, with its preprocessing and named stages.

    `load_backbone` makes one. Called on a batch (n, 3, height, width), it returns features (n, n_features).

    Parameters
    ----------
    name : str
        Name of the network.
    stages : dict of str to torch.nn.Module
        Stages in forward order; together they hold every parameter once.
    tail : torch.nn.Module
        Turns the output of the last stage into features; it has no parameters.
    recipe, provenance : Recipe and dict
        Preprocessing at the size of the input, and origin of the weights: source, file, sha256, licence.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> backbone(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 512])
    """

    def __init__(
        self, name: str, stages: Mapping[str, nn.Module], tail: nn.Module, recipe: Recipe, provenance: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.name = name
        self.recipe = recipe
        self.provenance = dict(provenance)
        self.body = nn.ModuleDict(stages)
        self.tail = tail
        self.made = None  # the arguments of `from_module`, if it made this backbone
        self._needs_values = False
        self.n_features = self.infer_shape()[1]

    @classmethod
    def from_module(
        cls,
        module: nn.Module | str,
        *,
        recipe: Recipe,
        stages: Sequence[str] | Mapping[str, str] | None = None,
        name: str | None = None,
        classifier: str | None = "auto",
        output: str | int | None = None,
        factory: str | None = None,
    ) -> "Backbone":
        """Make a backbone of any network, for example a CNN of your own or the backbone of a segmentation network.

        Parameters
        ----------
        module : torch.nn.Module or str
            A network, which is copied, or "package.module:function" of a function that returns one.
        recipe : Recipe
            Preprocessing of its pictures, see `tl.backbones.make_recipe`.
        stages : list of str or dict of str to str, optional
            Paths of the modules with which stages begin, such as ["conv1", "layer1"]; a dict names the stages. By
            default stages are found. They must give the bits of the network; else it becomes one stage, with a warning.
        name : str, optional
            Name of the network, by default that of its class.
        classifier : str or None
            Path of the layer that is left out with all behind it; "auto" is a last linear layer, None leaves out none.
        output : str or int, optional
            Key of the output to take if there are several, by default "out" or the only one.
        factory : str, optional
            "package.module:function", noted in saved runs; `load_run` names it if it needs the network.

        Returns
        -------
        Backbone
            The network in evaluation mode. Maps and tokens are averaged to (n, n_features).

        Raises
        ------
        TypeError, ValueError
            If the module can't take such pictures or be cut as wanted, or its values are random.

        Examples
        --------
        >>> module = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU())
        >>> backbone = tl.Backbone.from_module(module, recipe=tl.backbones.make_recipe(32, n_channels=4))
        >>> backbone.stages, backbone.n_features
        (('stage1', 'stage2'), 16)
        """
        make = importlib.import_module("tlkit.backbones.own_network").make_backbone
        settings = {"stages": stages, "name": name, "classifier": classifier, "output": output, "factory": factory}
        return make(module, recipe, **settings)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in forward order."""
        return tuple(self.body)

    @property
    def image_size_px(self) -> int:
        """Height and width of the pictures that the network takes, in pixels; of texts, their length in tokens."""
        return self.recipe.input_size

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        """Return a picture as the network takes it.

        Parameters
        ----------
        picture : PIL.Image.Image
            A picture of any size.

        Returns
        -------
        numpy.ndarray
            Standardised float32 values of shape (3, image_size_px, image_size_px).
        """
        return self.recipe(picture)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the features of a batch.

        Parameters
        ----------
        batch : torch.Tensor
            Preprocessed pictures of shape (n, 3, height, width).

        Returns
        -------
        torch.Tensor
            Features of shape (n, n_features).
        """
        for stage in self.body.values():
            batch = stage(batch)
        return self.tail(batch)

    def until(self, stage: str | int) -> nn.Sequential:
        """Return the part of the network up to and including a stage.

        Parameters
        ----------
        stage : str or int
            Name of a stage, or a negative number (-1 is the last stage).

        Returns
        -------
        torch.nn.Sequential
            The stages, which share this backbone's parameters.
        """
        return nn.Sequential(*list(self.body.values())[: self.find_stage(stage) + 1])

    def after(self, stage: str | int) -> nn.Sequential:
        """Return the part of the network behind a stage.

        Parameters
        ----------
        stage : str or int
            Name of a stage, or a negative number (-1 is the last stage).

        Returns
        -------
        torch.nn.Sequential
            The later stages and the tail, which share this backbone's parameters. It doesn't overwrite its input.
        """
        return nn.Sequential(*list(self.body.values())[self.find_stage(stage) + 1 :], self.tail)

    def find_stage(self, stage: str | int) -> int:
        """Return the index of a stage.

        Parameters
        ----------
        stage : str or int
            Name of a stage, or a negative number (-1 is the last stage).

        Returns
        -------
        int
            Index of the stage in `stages`, from 0.
        """
        return find_stage(self.name, self.stages, stage)

    def cost(self, stage: str | int | None = None) -> Cost:
        """Return the number of parameters and operations.

        Parameters
        ----------
        stage : str or int, optional
            Last stage that counts; by default the whole network counts.

        Returns
        -------
        Cost
            Has n_parameters, n_flops (one picture, 2 per multiply-add) and parameters_mib (memory in MiB).
        """
        parameters = list((self if stage is None else self.until(stage)).parameters())
        n_bytes = sum(parameter.nbytes for parameter in parameters)
        n_parameters = sum(parameter.numel() for parameter in parameters)
        counter = FlopCounterMode(display=False)
        # Used as a context itself, it would register hooks on all modules of the process.
        self._run_without_values(None, stage, _FlopCounterMode(counter))
        return Cost(n_parameters, counter.get_total_flops(), n_bytes / 2**20)

    def infer_shape(self, image_size_px: int | None = None, stage: str | int | None = None) -> tuple[int, ...]:
        """Return the shape of the output for one picture, without computing it.

        Parameters
        ----------
        image_size_px : int, optional
            Height and width of the picture, in pixels, by default those of the recipe.
        stage : str or int, optional
            The stage whose output is meant; by default the features.

        Returns
        -------
        tuple of int
            Shape of the output, (1, …).
        """
        return tuple(self._run_without_values(image_size_px, stage).shape)

    @default_states()
    def _run_without_values(self, image_size_px, stage, mode=None):
        """Return the output for one picture without values; `mode` is entered for the forward pass."""
        # On the meta device tensors have no values, and so take no memory or time. Some own networks need values.
        device = next(self.parameters(), torch.empty(0)).device if self._needs_values else "meta"
        recipe = self.recipe if image_size_px is None else self.recipe.at(image_size_px)
        network = nn.Sequential(*self.body.values(), self.tail) if stage is None else self.until(stage)
        network = copy_modules(network, device)
        for module in network.modules():
            if isinstance(module, _KEEP_SHAPE):
                module.forward = lambda batch: batch
        try:
            with torch.no_grad(), mode or contextlib.nullcontext():
                dtype = getattr(torch, recipe.input_dtype)
                return network(torch.zeros((1, *recipe.input_shape), dtype=dtype, device=device))
        except Exception:
            if self._needs_values:
                raise
            self._needs_values = True
            return self._run_without_values(image_size_px, stage, mode)

    def fingerprint(self) -> str:
        """Return a hash of everything that decides the features.

        Returns
        -------
        str
            SHA-256 of weights, buffers, architecture, preprocessing and the code of modules that are no library's.
        """
        heading = f"{self.name}\n{self.recipe}\n{self.body}\n{self.tail}\n{describe_settings(self)}"
        return hash_tensors(self.state_dict() | find_loose_tensors(self), heading)

    def __repr__(self) -> str:
        n_parameters = sum(parameter.numel() for parameter in self.parameters())
        start = f"Backbone({self.name}, {self.provenance['source']}, {n_parameters / 1e6:.1f} M parameters"
        return f"{start}, {self.n_features} features, {self.recipe.shown_size}, stages: {', '.join(self.stages)})"
