"""Networks of one's own as a `Backbone`, cut into stages by a recording of their calls.

torch.fx records a forward pass. A cut is possible after each call whose output alone decides all that follows. The
parts, one after the other, must give the same bits as the network; otherwise it stays whole.
"""

import copy
import importlib
from collections.abc import Sequence

import torch
from torch import nn

from tlkit.arguments import check_count, check_known, suggest
from tlkit.backbones.backbone import Backbone, draw_inputs
from tlkit.backbones.networks import WHOLE
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.recorded_parts import count_parameters, find_parts
from tlkit.backbones.timm_stages import Copy, compose, cut_network
from tlkit.cpu.draws import Draws
from tlkit.cpu.threads import convolutions, default_states, hide_warnings
from tlkit.notices import warn

SOURCE = "a network of the user's"
_USUAL_HEADS = ("fc", "classifier", "head", "heads", "last_linear", "linear")
_OUTPUTS = ("out", "pooler_output", "last_hidden_state", "logits")
_N_PROBED = 16
_DOMINANT = 0.8  # a module with this share of the parameters is cut further


class Chosen(nn.Module):
    """A network with one of its outputs, by the key of it, as (n, …)."""

    def __init__(self, network, key=None):
        super().__init__()
        self.network, self.key = network, key

    def forward(self, batch):
        """Return the output."""
        output = self.network(batch)
        return output if self.key is None else output[self.key]


class Mean(nn.Module):
    """The mean over the positions of a map (n, c, h, w) or (n, h, w, c), or over tokens (n, n_tokens, c)."""

    def forward(self, batch):
        """Return (n, c)."""
        if batch.ndim == 4:
            return batch.mean((1, 2) if batch.shape[1] == batch.shape[2] != batch.shape[3] else (2, 3))
        return batch.mean(1) if batch.ndim == 3 else batch


def make_recipe(
    image_size_px: int,
    *,
    n_channels: int = 3,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    resize_size_px: int | None = None,
    interpolation: str = "bilinear",
) -> Recipe:
    """Describe the preprocessing of pictures for a network of your own.

    Parameters
    ----------
    image_size_px, n_channels : int
        Height and width of the network's input in pixels, and number of channels, 1 for gray pictures.
    mean, std : sequence of float
        Mean and standard deviation of each channel, or one for all, of values from 0 to 1.
    resize_size_px : int, optional
        Length of a picture's shorter side before the central square is cut out, by default `image_size_px`.
    interpolation : {"bilinear", "bicubic"}
        Filter of the resizing.

    Returns
    -------
    Recipe
        The preprocessing, for `Backbone.from_module` and `load_backbone`.

    Examples
    --------
    >>> make_recipe(64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).n_channels
    3
    """
    side, n_channels = check_count("image_size_px", image_size_px, 1), check_count("n_channels", n_channels, 1)
    check_known("interpolation", [interpolation], ("bilinear", "bicubic"))
    mean, std = (tuple(float(v) for v in values) * (n_channels if len(values) == 1 else 1) for values in (mean, std))
    if not len(mean) == len(std) == n_channels or min(std) <= 0:
        raise ValueError(f"mean, std: {mean}, {std}, expected {n_channels} numbers each, or one, std above 0")
    return Recipe(check_count("resize_size_px", resize_size_px or side, side), side, interpolation, mean, std)


@default_states()
@convolutions.together()
def make_backbone(module, recipe, *, stages=None, name=None, classifier="auto", output=None, factory=None):
    """Return a `Backbone` of a module or of the factory of one; `Backbone.from_module` documents the arguments."""
    if isinstance(module, str):
        factory, module = module, call_factory(module)
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        found = f"module: a {type(module).__name__}, expected a torch.nn.Module"
        raise TypeError(f"{found} whose code can be recorded, not TorchScript, or 'package.module:function'")
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe: a {type(recipe).__name__}, expected one, as tl.backbones.make_recipe(224, …)")
    if not count_parameters([module]):
        raise ValueError("module: has no parameters, expected a network with weights")
    name = name or type(module).__name__
    try:
        network = copy.deepcopy(module).eval()
    except Exception as error:  # of torch or the user's code
        raise ValueError(f"module: can't be copied ({error}): leave out what prevents that") from error
    batch = draw_inputs(recipe, 2).to(next(network.parameters()).device)
    with torch.no_grad():
        is_timm = all(hasattr(network, name) for name in ("reset_classifier", "forward_features", "forward_head"))
        if is_timm and (stages, classifier, output) == (None, "auto", None):
            network.reset_classifier(0)
            parts, tail = cut_network(network, (), (recipe.crop_size_px,), recipe.n_channels)
        else:
            root, expected, classifier = _prepare(network, batch, classifier, output)
            parts, tail = _cut(root, batch, expected, classifier, stages)
    provenance = {"source": SOURCE, "file": None, "sha256": None, "licence": "unknown", "check": "none"}
    backbone = Backbone(name, parts, tail, recipe, provenance).eval()
    backbone.made = {"factory": factory, "stages": stages, "classifier": classifier, "output": output}
    return backbone


def call_factory(factory):
    """Return the module that a function makes, "package.module:function"; this runs the code of that package."""
    if factory.endswith(".pt2"):
        found = f"{factory!r}, a file of torch.export, whose reading can run code in it"
        raise ValueError(f"factory: {found}: name the function that makes the module, or export it to ONNX")
    place, _, function = factory.partition(":")
    try:
        found = getattr(importlib.import_module(place), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"factory: {factory!r}, expected 'package.module:function' to import ({error})") from error
    return found()


def probe(backbone):
    """Return a few features of a fixed picture, by which `check_remade` knows a network again."""
    batch = draw_inputs(backbone.recipe, 1, seed=1).to(next(backbone.parameters()).device)
    with torch.no_grad():
        return backbone(batch)[0, :_N_PROBED].tolist()


def remake(given, saved, only_changes=False):
    """Return a backbone for a saved run, of a backbone or of a factory that the user gives."""
    made = dict(saved["made"])
    if given is None and "config" in made:  # a text encoder, whose pretrained weights the caller loads if need be
        draw = importlib.import_module("tlkit.backbones.text_networks").draw
        return None if only_changes else draw(saved["name"], made["config"], Recipe.of(saved["recipe"]), 0)
    if given is None:
        factory = made["factory"] or "package.module:function"
        raise ValueError(
            f"backbone: None, expected your own {saved['name']!r}: a Backbone, its ONNX file, or the function "
            f"that makes its module, whose code is then run, as in backbone={factory!r}"
        )
    if isinstance(given, Backbone):
        return copy.deepcopy(given)
    if given.endswith(".onnx"):
        onnx_network = importlib.import_module("tlkit.backbones.onnx_network")
        return onnx_network.load_onnx(given, made.get("cut"), Recipe.of(saved["recipe"]), saved["name"])
    options = {name: made[name] for name in ("stages", "classifier", "output")}
    with hide_warnings("module: "):
        return make_backbone(given, Recipe.of(saved["recipe"]), name=saved["name"], **options)


def check_remade(backbone, saved):
    """Raise ValueError if a backbone with the weights of a saved run gives other features than then."""
    expected, found = (torch.tensor(values) for values in (saved["made"]["features"], probe(backbone)))
    if expected.shape != found.shape or not (expected - found).abs().max() <= 1e-3 * expected.abs().max():
        raise ValueError(
            f"backbone: with the saved weights {backbone.name} gives other features than when the run was saved: its "
            "code or its preprocessing has changed, so take it from that time"
        )


def redraw_own(backbone, seed):
    """Return a copy of an own backbone with random weights, drawn by the `reset_parameters` of each layer."""
    if "config" in backbone.made:
        draw = importlib.import_module("tlkit.backbones.text_networks").draw
        return draw(backbone.name, backbone.made["config"], backbone.recipe, seed)
    redrawn, drawn = copy.deepcopy(backbone), set()
    with Draws(seed):
        for module in redrawn.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
                drawn |= {id(value) for value in module.parameters()}
    if missing := [name for name, value in redrawn.named_parameters() if id(value) not in drawn]:
        raise ValueError(f"strategy: random weights need a reset_parameters that draws {missing[0]} of {backbone.name}")
    redrawn.provenance = {**redrawn.provenance, "source": f"random weights, seed {seed}"}
    return redrawn


def _prepare(network, batch, classifier, output):
    """Return (`Chosen` network, its features of a batch, path of the layer that was left out or None)."""
    given = batch
    try:
        values, given = network(batch), batch[:1]
        network(given)
    except Exception as error:  # of the user's code
        shape = f"a float32 batch of {tuple(given.shape)}, the recipe's size and number of channels"
        raise ValueError(f"recipe: the module fails for {shape} ({type(error).__name__}: {error})") from error
    key = None
    if not torch.is_tensor(values) and hasattr(values, "__len__"):
        keys = list(values) if hasattr(values, "keys") else list(range(len(values)))
        usual = keys[0] if len(keys) == 1 else next((key for key in _OUTPUTS if key in keys), None)
        key = usual if output is None else output
        if key not in keys:
            raise ValueError(f"output: {output!r}, expected one of the outputs of the module, {keys}")
    root = Chosen(network, key)
    calls = _record_layers(root, batch)
    features = root(batch)
    if not (torch.is_tensor(features) and features.ndim > 1 and len(features) == 2 and features.isfinite().all()):
        shown = tuple(features.shape) if torch.is_tensor(features) else type(features).__name__
        raise ValueError(f"module: gives {shown} for 2 pictures, expected finite values (2, …); choose with output=")
    if not torch.equal(features, root(batch)):
        raise ValueError("module: gives other values for the same pictures each time; leave out its random steps")
    alone, beside = root(batch[:1]), root(torch.cat([batch[:1], 9 * batch[1:]]))[:1]  # another picture
    if alone.shape != beside.shape or (alone - beside).abs().max() > 1e-3 * beside.abs().max():
        why = "for example by squeeze(), or by norm layers without running statistics"
        raise ValueError(f"module: gives other features for a picture alone than in a batch, {why}: correct that")
    path, layer, _ = calls[-1] if calls else (None, None, None)
    if classifier == "auto":
        is_last = isinstance(layer, nn.Linear) and features.shape == (2, layer.out_features)
        classifier = path.removeprefix("network.") if is_last else None
        if is_last and classifier.partition(".")[0] not in _USUAL_HEADS:
            warn(
                f"module: its last layer {classifier!r} ({layer.in_features} → {layer.out_features}) is taken for the "
                f"classifier and left out; state classifier={classifier!r}, or classifier=None to keep it"
            )
    if classifier is None:
        return root, features, None
    found = [given for path, _, given in calls if path == f"network.{classifier}"]
    if not found:
        known = [path.removeprefix("network.") for path, _, _ in calls]
        raise ValueError(f"classifier: {classifier!r} is no layer that the module calls; {suggest(classifier, known)}")
    root.set_submodule(f"network.{classifier}", nn.Identity())
    return root, found[-1], classifier


def _record_layers(root, batch):
    """Return [(path, layer, its input)] of the layers with parameters, in the order of their calls."""
    calls, hooks = [], []
    for path, module in root.named_modules():
        if count_parameters([module]) and not list(module.children()):

            def note(module, inputs, output, path=path):
                calls.append((path, module, inputs[0].clone() if inputs else None))

            hooks.append(module.register_forward_hook(note))
    root(batch)
    for hook in hooks:
        hook.remove()
    return calls


def _cut(root, batch, expected, classifier, stages):
    """Return (stages, tail) that give the expected features of a batch; with a warning one stage if there is no cut."""
    wanted = {path.replace(".", "_"): path for path in stages} if isinstance(stages, list | tuple) else stages
    modules = dict(root.named_modules())
    containers = {module for module in modules.values() if type(module).forward is nn.Sequential.forward}
    for path in wanted.values() if wanted else ():
        pieces = f"network.{path}".split(".")
        containers |= {modules.get(".".join(pieces[:end])) for end in range(1, len(pieces))}
    containers |= {root, root.network}
    most = _DOMINANT * count_parameters([root])
    giants = {module for module in modules.values() if count_parameters([module]) > most}
    giants = {module for module in giants if not type(module).__module__.startswith("torch.nn")}
    ways = [lambda: find_parts(root, batch, containers | giants, classifier, wanted)]
    ways += [lambda: find_parts(root, batch, containers, classifier, wanted)]
    if wanted:
        ways += [lambda: ({name: modules[f"network.{path}"] for name, path in wanted.items()}, nn.Identity())]
    failures = []
    for find in ways:
        try:
            parts, tail = find()
            _, changed = compose(parts, tail, batch)
            parts = {name: nn.Sequential(Copy(), part) if name in changed else part for name, part in parts.items()}
            features, _ = compose(parts, tail, batch)
            held = [id(value) for part in parts.values() for value in part.parameters()]
            if torch.equal(features, expected) and len(held) == len(set(held)):
                return parts, nn.Sequential(tail, Mean()) if expected.ndim > 2 else tail
            failures.append("its parts give other values, or share parameters")
        except Exception as error:  # of torch.fx or the user's code
            failures.append(f"{type(error).__name__}: {error}".partition("\n")[0])
    if wanted:
        raise ValueError(f"stages: {stages!r} can't be cut ({failures[0]}): name the first module of each stage")
    try:
        is_whole = torch.equal(root(batch), expected)
    except Exception:  # for example of a sum with another head
        is_whole = False
    if not is_whole:
        raise ValueError(f"classifier: {classifier!r} isn't all that follows the features: classifier=None keeps it")
    warn(
        f"module: {type(root.network).__name__} couldn't be cut ({failures[0]}), so it is one stage, {WHOLE!r}: frozen "
        "features and strategies that train all of it work, those that train single stages don't; name them by stages="
    )
    return {WHOLE: root}, Mean()
