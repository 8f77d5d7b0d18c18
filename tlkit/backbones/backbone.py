"""A pretrained network without its classifier: the `Backbone`."""

import dataclasses
import hashlib

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tlkit.backbones.stage_names import find_stage

# These change no shape and are not counted as operations, but without values each is worked through in Python, which
# would take most of the time.
_KEEP_SHAPE = (nn.BatchNorm2d, nn.ReLU, nn.Hardtanh, nn.Hardswish, nn.SiLU)


def _hand_on(batch):
    return batch


def hash_tensors(tensors, heading=""):
    """Return a SHA-256 of the names, types, shapes and bits of {name: tensor}, after those of a heading."""
    content = hashlib.sha256(heading.encode())
    for name, tensor in tensors.items():
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return content.hexdigest()


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network costs.

    Arguments
    ---------
    n_parameters: int
    n_flops: int
        Of one picture, forward; a multiplication with its addition counts as 2.
    parameters_mib: float
        Memory that the parameters take, in MiB.
    """

    n_parameters: int
    n_flops: int
    parameters_mib: float


class Backbone(nn.Module):
    """A network without its classifier, with the preprocessing of its weights and with named stages.

    `load_backbone` makes one. Called on a batch (n, 3, height, width) it returns features (n, n_features).

    Arguments
    ---------
    name: str
    stages: dict of str to torch.nn.Module
        In forward order; together they hold every parameter once.
    tail: torch.nn.Module
        Turns the output of the last stage into features; it has no parameters.
    recipe: Recipe
        Preprocessing, at the size that this backbone is to see.
    provenance: dict
        Where the weights come from: source, file, sha256, licence.
    """

    def __init__(self, name, stages, tail, recipe, provenance):
        super().__init__()
        self.name = name
        self.recipe = recipe
        self.provenance = dict(provenance)
        self.body = nn.ModuleDict(stages)
        self.tail = tail
        self.auxiliary = {}  # {stage: Branch} where asked for; they are no part of the network that gives features
        self.n_features = self.infer_shape(recipe.crop_size_px)[1]

    @property
    def stages(self):
        """Names of the stages, in forward order."""
        return tuple(self.body)

    @property
    def image_size_px(self):
        """Height and width of the pictures that the network sees."""
        return self.recipe.crop_size_px

    def preprocess(self, picture):
        """Return (3, image_size_px, image_size_px) float32 NumPy values of a PIL picture, as the weights want it."""
        return self.recipe(picture)

    def forward(self, batch):
        for stage in self.body.values():
            batch = stage(batch)
        return self.tail(batch)

    def until(self, stage):
        """Return the part of the network up to and including a stage, sharing its parameters."""
        return nn.Sequential(*list(self.body.values())[: self.find_stage(stage) + 1])

    def after(self, stage):
        """Return the part of the network behind a stage, sharing its parameters; it leaves its input as it was."""
        return nn.Sequential(*list(self.body.values())[self.find_stage(stage) + 1 :], self.tail)

    def find_stage(self, stage):
        """Return the place of a stage, by its name or by a negative number (-1 is the last)."""
        return find_stage(self.name, self.stages, stage)

    def cost(self, stage=None):
        """Return the `Cost`: parameters, operations for one picture, memory of the parameters.

        Arguments
        ---------
        stage: str or negative int, optional
            Of what is left when the network is cut behind this stage; by default of all of it.
        """
        parameters = list((self if stage is None else self.until(stage)).parameters())
        n_bytes = sum(parameter.nbytes for parameter in parameters)
        n_parameters = sum(parameter.numel() for parameter in parameters)
        with FlopCounterMode(display=False) as counter:
            self.infer_shape(self.image_size_px, stage)
        return Cost(n_parameters, counter.get_total_flops(), n_bytes / 2**20)

    def infer_shape(self, image_size_px, stage=None):
        """Return the shape of the features of one picture at a size, by shapes alone: nothing is computed.

        With the name of a stage, the shape of that stage's output.

        On the meta device tensors have shapes and no values, so the largest network takes neither memory nor time, and
        operations counted meanwhile are the same whatever device and kernels the network itself runs on.
        """
        network = self if stage is None else self.until(stage)
        state = {n: value.detach().to("meta") for n, value in (*network.named_parameters(), *network.named_buffers())}
        picture = torch.zeros(1, 3, image_size_px, image_size_px, device="meta")
        mode = {module: module.training for module in self.modules()}
        stepped_over = [module for module in network.modules() if isinstance(module, _KEEP_SHAPE)]
        try:
            with torch.no_grad():
                self.eval()
                for module in stepped_over:
                    module.forward = _hand_on
                features = torch.func.functional_call(network, state, (picture,))
        finally:
            for module in stepped_over:
                del module.forward
            for module, training in mode.items():
                module.training = training
        return tuple(features.shape)

    def fingerprint(self):
        """Return a SHA-256 of the weights, buffers, architecture and preprocessing: whatever decides the features."""
        return hash_tensors(self.state_dict(), f"{self.name}\n{self.recipe}\n{self.body}\n{self.tail}")

    def __repr__(self):
        n_parameters = sum(parameter.numel() for parameter in self.parameters())
        return (
            f"Backbone({self.name}, {self.provenance['source']}, {n_parameters / 1e6:.1f} M parameters, "
            f"{self.n_features} features, {self.image_size_px} px, stages: {', '.join(self.stages)})"
        )
