"""Freezing: parameters that keep their values, and norm layers and dropout that behave as at test time."""

import fnmatch

from torch import nn

from tlkit.arguments import check_known, suggest

NORM_LAYERS = (
    nn.modules.batchnorm._NormBase,  # batch and instance norm: what keeps running statistics
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
_NORM_MODES = ("frozen", "statistics", "trainable")


def freeze(model, *, up_to=None, names=(), norm="frozen"):
    """Freeze a model or parts of it, so that training leaves every bit of them as it was.

    `requires_grad=False` alone lets the running statistics of batch norm move on with each batch, and dropout drop.
    Here frozen layers run in evaluation mode whoever calls `train()` afterwards: each forward pass returns them to it.

    Arguments
    ---------
    model: torch.nn.Module
        Changed in place.
    up_to: str or negative int, optional
        Of a `Backbone`: all stages up to and including this one.
    names: str or list of str
        Names of modules or parameters, or patterns like "layer1.*". Without `up_to` and `names`, everything is frozen.
        A module of which all parameters become frozen is frozen as if it was named: patterns that match parameters
        alone hold its running statistics and dropout too.
    norm: "frozen", "statistics" or "trainable"
        Norm layers among the frozen ones: as they are; with moving statistics; or trained as if they were not frozen.

    Returns the model. Raises ValueError for a stage or name that the model doesn't have, TypeError for
    `up_to` of a model without stages.

    >>> import tlkit as tl
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
    # With the second names of what is shared, such as tied weights: they are names as well.
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
    of_norms = {parameter for module in model.modules() if is_norm(module) for parameter in module.parameters()}
    exempt = of_norms if norm == "trainable" else set()
    stopped = {*parameters, *(parameter for module in modules for parameter in module.parameters())} - exempt
    for parameter in stopped:
        parameter.requires_grad_(False)
        parameter.grad = None  # else an optimizer from before takes one more step with it
    modules += [module for module in model.modules() if _is_whole(module, stopped, exempt)]
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
    """Keep one module, without its children, in evaluation mode whoever calls `train()`."""
    module.training = False
    if _return_to_evaluation not in module._forward_pre_hooks.values():
        # Before the hooks that are there already: spectral norm's moves its vectors where the layer is in training.
        module.register_forward_pre_hook(_return_to_evaluation, prepend=True)


def is_norm(module):
    """Say whether a module is a norm layer."""
    return isinstance(module, NORM_LAYERS)


def hold_norm_statistics(model):
    """Keep the running statistics of all norm layers of a model as they are; their parameters may still be trained."""
    for module in model.modules():
        if is_norm(module):
            hold_in_evaluation(module)


def has_moving_statistics(model):
    """Say whether a training pass would move the running statistics of some norm layer."""
    return any(
        is_norm(module)
        and getattr(module, "track_running_stats", False)
        and _return_to_evaluation not in module._forward_pre_hooks.values()
        for module in model.modules()
    )


def _return_to_evaluation(module, inputs):
    module.training = False


def _is_whole(module, stopped, exempt):
    """Say whether parameters of a module were stopped now and all are, but for the exempt ones."""
    parameters = set(module.parameters()) - exempt
    return not parameters.isdisjoint(stopped) and not any(parameter.requires_grad for parameter in parameters)
