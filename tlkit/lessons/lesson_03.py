"""Exercises of lesson 03: a loop that changes nothing frozen, and the number of trained parameters."""

from tlkit.lessons.exercise import NotYet, calling_answer, compare, exercise, expect_function, expect_whole_number

_N_CLASSES, _N_BATCHES, _N_PICTURES = 3, 3, 2


@exercise("03_loop", "the name of your function", expect_function)
def _check_loop(answer, *, backbone):
    """Return the verdict on a function (network, head, batches) that trains the head and nothing else."""
    with calling_answer():
        outcome, explanation = _train(answer, backbone, disturbed=False), ""
        if not outcome["changed"] and outcome["learned"]:
            outcome = _train(answer, backbone, disturbed=True)
            explanation = (
                " This happened because something called network.train() between two batches, as code that validates "
                "often does: a single network.eval() before the loop is undone by that."
            )
    buffers = [name for name in outcome["changed"] if name in outcome["buffers"]]
    n_parameters = len(outcome["changed"]) - len(buffers)
    if n_parameters:
        raise NotYet(f"{n_parameters} weights and biases changed: pass only those of the head to the optimizer.")
    if buffers:
        raise NotYet(
            f"{len(buffers)} of {len(outcome['buffers'])} buffers changed, such as {buffers[0]}: norm layers in "
            f"training mode update their statistics with each batch.{explanation}"
        )
    if not outcome["learned"]:
        raise NotYet("the network kept every bit, but the head didn't learn either: its weights are as before.")
    return f"all {len(outcome['buffers'])} buffers and all weights kept every bit, and the head learned."


def _train(function, backbone, *, disturbed):
    """Run a reader's function on a copy; return the changed names, all buffers, and if the head learned."""
    import copy

    import torch

    from tlkit.cpu.draws import Draws

    with Draws(0):
        network = copy.deepcopy(backbone)
        head = torch.nn.Linear(backbone.n_features, _N_CLASSES)
        before, new = copy.deepcopy(network.state_dict()), head.weight.detach().clone()

        def make_batches():
            for _ in range(_N_BATCHES):
                pictures = torch.randn(_N_PICTURES, 3, backbone.image_size_px, backbone.image_size_px)
                yield pictures, torch.randint(_N_CLASSES, (_N_PICTURES,))
                if disturbed:
                    network.train()

        function(network, head, make_batches())
    after = network.state_dict()
    return {
        "changed": [name for name, value in before.items() if not torch.equal(value, after[name])],
        "buffers": {name for name, _ in backbone.named_buffers()},
        "learned": not torch.equal(new, head.weight),
    }


@exercise("03_count", "a whole number")
def _check_count(answer, *, backbone, up_to, n_classes):
    """Return the verdict on the number of trained parameters if the stages up to one are frozen and the head is new."""
    answer = expect_whole_number(answer, "a number of parameters")
    first = backbone.find_stage(up_to) + 1
    sizes = [sum(value.numel() for value in stage.parameters()) for stage in backbone.body.values()]
    buffers = sum(value.numel() for stage in list(backbone.body.values())[first:] for value in stage.buffers())
    head = backbone.n_features * n_classes + n_classes
    right = sum(sizes[first:]) + head
    # If `up_to` is the first stage, two of these are the same number: the first hint is given.
    slips = {
        f"that is the head alone; the stages after {up_to} learn too.": head,
        "that is everything; the stages up to and including the one named are frozen.": sum(sizes) + head,
        "that is the number of frozen parameters; the question is about those that learn.": sum(sizes[:first]),
        f"up_to includes the stage that it names: {up_to} is frozen too.": right + sizes[first - 1],
        "running statistics are buffers, not parameters: the optimizer never gets them.": right + buffers,
        f"nearly: a linear layer also has a bias for each of the {n_classes} classes.": right - n_classes,
        "that is the stages alone; the new head learns too.": right - head,
        f"that leaves out {backbone.stages[-1]}, which comes after the frozen stages too.": right - sizes[-1],
        "these are the tensors; count their values with .numel().": 2
        + sum(len(list(stage.parameters())) for stage in list(backbone.body.values())[first:]),
    }
    otherwise = "add up the parameters of the stages after the frozen ones, and those of a linear head with its bias."
    compare(answer, right, slips, otherwise)
    return f"{right:,} of {sum(sizes) + head:,} parameters learn."
