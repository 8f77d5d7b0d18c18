"""`freeze`: parameters keep their values, and norm layers and dropout run in evaluation mode."""

import fnmatch
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

from tlkit.arguments import check_known, suggest

# The first are batch and instance norm, which keep running statistics.
NORM_LAYERS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_NORM_MODES = ("frozen", "statistics", "trainable")
Model = TypeVar("Model", bound=nn.Module)


def freeze(
    model: Model, *, up_to: str | int | None = None, names: str | Sequence[str] = (), norm: str = "frozen"
) -> Model:
    """Freeze a model or parts of it, so that training leaves every bit of them unchanged.

    Frozen layers run in evaluation mode whatever `train()` does; else batch norm's statistics and dropout would go on.

    Parameters
    ----------
    model : torch.nn.Module
        A `Backbone` or any network; it is changed in place.
    up_to : str or int, optional
        Last of the stages of a `Backbone` to freeze, by name or negative number (-1 is the last stage).
    names : str or sequence of str
        Names of modules or parameters, or patterns such as "layer1.*". By default, without `up_to`, all is frozen.
    norm : str
        Norm layers in frozen parts: "frozen", "statistics" (only running statistics move) or "trainable".

    Returns
    -------
    torch.nn.Module
        The same model.

    Raises
    ------
    TypeError, ValueError
        If the model has no stages, or no such stage, module or parameter.

    Examples
    --------
    >>> backbone = tl.freeze(tl.load_backbone("resnet18", weights=None, image_size_px=32), up_to="stage3")
    >>> sorted({name.split(".")[1] for name, p in backbone.named_parameters() if p.requires_grad})
    ['stage4']
    """
    check_known("norm", [norm], _NORM_MODES)
    names = [names] if isinstance(names, str) else list(names)
    modules, parameters = [], []
    if up_to is not None:
        if not hasattr(model, "find_stage"):
            raise TypeError(f"up_to: a {type(model).__name__} has no stages as a Backbone has; freeze it by names=")
        stages = list(model.body.values())
        modules += stages[: model.find_stage(up_to) + 1]
    # Shared modules and parameters, such as tied weights, match under each of their names.
    all_modules = [(name, module) for name, module in model.named_modules(remove_duplicate=False) if name]
    all_parameters = list(model.named_parameters(remove_duplicate=False))
    for pattern in names:
        found = [module for name, module in all_modules if fnmatch.fnmatchcase(name, pattern)]
        single = [value for name, value in all_parameters if fnmatch.fnmatchcase(name, pattern)]
        if not found and not single:
            known = [name for name, _ in (*all_modules, *all_parameters)]
            raise ValueError(f"names: {pattern!r} matches no module or parameter; {suggest(pattern, known)}")
        modules += found
        parameters += single
    if up_to is None and not names:
        modules = [model]
    norm_parameters = {parameter for module in model.modules() if is_norm(module) for parameter in module.parameters()}
    exempt = norm_parameters if norm == "trainable" else set()
    stopped = {*parameters, *(parameter for module in modules for parameter in module.parameters())} - exempt
    for parameter in stopped:
        parameter.requires_grad_(False)
        parameter.grad = None  # an existing optimizer would take one more step with it
    for module in model.modules():
        own = set(module.parameters()) - exempt
        if not own.isdisjoint(stopped) and not any(parameter.requires_grad for parameter in own):
            modules.append(module)
    for module in {part for whole in modules for part in whole.modules()}:
        if not (is_norm(module) and norm != "frozen"):
            hold_in_evaluation(module)
    return model


def thaw(model):
    """Undo every `freeze`: all parameters can be trained, all layers follow `train()`. Returns the model."""
    for module in model.modules():
        for key, hook in list(module._forward_pre_hooks.items()):
            if hook is _return_to_evaluation:
                del module._forward_pre_hooks[key]
    return model.requires_grad_(True)


def hold_in_evaluation(module):
    """Keep one module, without its children, in evaluation mode even if `train()` is called."""
    module.training = False
    if _return_to_evaluation not in module._forward_pre_hooks.values():
        # It must run before existing hooks: the hook of spectral norm moves its vectors if the layer is in training.
        module.register_forward_pre_hook(_return_to_evaluation, prepend=True)


def is_norm(module):
    """Return whether a module is a norm layer."""
    return isinstance(module, NORM_LAYERS)


def hold_norm_statistics(model):
    """Keep the running statistics of all norm layers as they are; their parameters may still be trained."""
    for module in model.modules():
        if is_norm(module):
            hold_in_evaluation(module)


def has_moving_statistics(model):
    """Return whether a training pass would move the running statistics of a norm layer."""
    tracking = [part for part in model.modules() if is_norm(part) and getattr(part, "track_running_stats", False)]
    return any(_return_to_evaluation not in layer._forward_pre_hooks.values() for layer in tracking)


def _return_to_evaluation(module, inputs):
    """Put a module into evaluation mode (a forward pre-hook)."""
    module.training = False
