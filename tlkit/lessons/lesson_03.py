"""Exercises of lesson 03: a loop that moves nothing frozen, the parameters that learn. Torch is imported when asked."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_N_CLASSES, _N_BATCHES, _N_PICTURES = 3, 3, 2


@exercise("03_loop", "the name of your function")
def _check_loop(answer, *, backbone):
    """A function (network, head, batches) that trains the head and leaves every bit of the network as it was."""
    if not callable(answer):
        return Check(False, f"this should be your function, without brackets behind it, and is a {_name_type(answer)}.")
    try:
        quiet, said = _train(answer, backbone, disturbed=False), ""
        if not quiet["moved"] and quiet["learned"]:
            quiet = _train(answer, backbone, disturbed=True)
            said = (
                " This happened because something called network.train() between two batches, as code that validates "
                "often does: one network.eval() before the loop doesn't outlast it."
            )
    except Exception as error:  # whatever the reader's function raises is told, not thrown
        return Check(False, f"the function ended in {type(error).__name__}: {error}")
    buffers = [name for name in quiet["moved"] if name in quiet["buffers"]]
    n_parameters = len(quiet["moved"]) - len(buffers)
    if n_parameters:
        return Check(False, f"{n_parameters} weights and biases moved: give only the head's to the optimizer.")
    if buffers:
        return Check(
            False,
            f"{len(buffers)} of {len(quiet['buffers'])} buffers moved, such as {buffers[0]}: norm layers that run in "
            f"training mode follow each batch.{said}",
        )
    if not quiet["learned"]:
        return Check(False, "the network kept every bit, but the head didn't learn either: its weights are as before.")
    return Check(True, f"all {len(quiet['buffers'])} buffers and all weights kept every bit, and the head learned.")


def _train(function, backbone, *, disturbed):
    """Run a reader's function on a copy; return the names that moved, those of buffers, whether the head learned."""
    import copy

    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = copy.deepcopy(backbone)
        head = torch.nn.Linear(backbone.n_features, _N_CLASSES)
        before, new = copy.deepcopy(network.state_dict()), head.weight.detach().clone()

        def deal():
            for _ in range(_N_BATCHES):
                pictures = torch.randn(_N_PICTURES, 3, backbone.image_size_px, backbone.image_size_px)
                yield pictures, torch.randint(_N_CLASSES, (_N_PICTURES,))
                if disturbed:
                    network.train()

        function(network, head, deal())
    after = network.state_dict()
    return {
        "moved": [name for name, value in before.items() if not torch.equal(value, after[name])],
        "buffers": {name for name, _ in backbone.named_buffers()},
        "learned": not torch.equal(new, head.weight),
    }


@exercise("03_count", "a whole number")
def _check_count(answer, *, backbone, up_to, n_classes):
    """Number of parameters that learn where the stages up to one are frozen and a new head is on top."""
    if isinstance(answer, bool) or not isinstance(answer, (int, np.integer)):
        return Check(False, f"a number of parameters is a whole number, and this is a {_name_type(answer)}.")
    place = backbone.find_stage(up_to) + 1
    sizes = [sum(value.numel() for value in stage.parameters()) for stage in backbone.body.values()]
    weights = backbone.n_features * n_classes
    right = sum(sizes[place:]) + weights + n_classes
    if answer == right:
        return Check(True, f"{right:,} of {sum(sizes) + weights + n_classes:,} parameters learn.")
    buffers = sum(value.numel() for stage in list(backbone.body.values())[place:] for value in stage.buffers())
    head = weights + n_classes
    slips = {
        right - head: "that is the stages alone; the new head learns too.",
        right - n_classes: f"nearly: a linear layer also has a bias for each of the {n_classes} classes.",
        right + buffers: "running statistics are buffers, not parameters: the optimizer never gets them.",
        right + sizes[place - 1]: f"up_to includes the stage that it names: {up_to} is frozen too.",
        sum(sizes[:place]): "that is what is frozen; the question is what learns.",
        sum(sizes) + head: "that is everything; the stages up to and including the one named are frozen.",
        head: f"that is the head alone; the stages behind {up_to} learn too.",
    }
    hint = "add up the parameters of the stages behind the frozen ones, and those of a linear head with its bias."
    return Check(False, slips.get(int(answer), hint))


def _name_type(answer):
    return type(answer).__name__
