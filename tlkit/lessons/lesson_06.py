"""Exercises of lesson 06: what LoRA trains of a layer, the ends of an interpolation. Torch is imported when asked."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_TOLERANCE = 1e-6
# What a formula may lose beside real tensors: the sign of a zero, and the small one of two numbers far apart.
_MADE_UP = ([0.0, -0.0, 1.0], [-0.0, 0.0, 1e-9])


@exercise("06_count", "the name of your function")
def _check_count(answer, *, backbone, rank):
    """A function (weight, rank) → the number of parameters that LoRA trains for a layer with that weight."""
    if not callable(answer):
        return _ask_for_function(answer)
    from tlkit.training.lora import insert_lora

    layers = {}
    for name, module in insert_lora(backbone, seed=0, rank=rank).named_modules():
        if hasattr(module, "lora_A"):
            pair = (*module.lora_A.values(), *module.lora_B.values())
            layers[name] = module.base_layer.weight.detach(), sum(part.weight.numel() for part in pair)
    try:
        counted = {name: answer(weight, rank) for name, (weight, _) in layers.items()}
    except Exception as error:  # whatever the reader's function raises is told, not thrown
        return _format_failure(error)
    for name, number in counted.items():
        weight, right = layers[name]
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            return Check(False, f"for {name} it returns a {type(number).__name__}, expected a whole number.")
        if number != right:
            return Check(False, f"for {name}, weight {tuple(weight.shape)}: {number:,}. {_hint(number, weight, rank)}")
    total, of_all = sum(counted.values()), sum(weight.numel() for weight, _ in layers.values())
    return Check(True, f"{total:,} parameters beside the {of_all:,} of the {len(layers)} layers that take an adapter.")


def _hint(number, weight, rank):
    n_out, n_in = weight.shape[:2]
    n_places = weight[0, 0].numel()
    slips = {
        weight.numel(): "That is the layer's own weight, which stays frozen; only A and B learn.",
        rank * n_in * n_places: "That is A alone; B, which leads back to the outputs, learns too.",
        rank * n_out: "That is B alone; A, which leads down to the rank, learns too.",
        rank * (n_in + n_out): "In a convolution A has the kernel's height and width: each input comes once a place.",
        rank * (n_in + n_out) * n_places: "The kernel's height and width belong to A alone; B is 1 × 1.",
        n_in * n_places + n_out: "That is right for rank 1; at a rank r there are r rows in A and r columns in B.",
        rank * rank * (n_in * n_places + n_out): "The rank counts once: A has r rows and B r columns.",
    }
    return slips.get(int(number), "Add up the numbers in A, r × inputs × height × width, and in B, outputs × r.")


@exercise("06_ends", "the name of your function")
def _check_ends(answer, *, parent, tuned):
    """A function (parent, tuned, mixing_coefficient) → tensors by name; at 0 and 1 the bits of the two runs."""
    if not callable(answer):
        return _ask_for_function(answer)
    import torch

    from tlkit.training.changed_weights import list_changed

    ends = [_make_tensors(run, made_up) for run, made_up in zip((parent, tuned), _MADE_UP, strict=True)]
    given = [{name: value.clone() for name, value in tensors.items()} for tensors in ends]
    try:
        for mixing_coefficient in (1.0, 0.0, 0.5):  # one mixture at a time, for each is as large as a network
            mixed = answer(*given, mixing_coefficient)
            if any(list_changed(*pair) for pair in zip(given, ends, strict=True)):
                return Check(
                    False, "the tensors that it was given changed: make new ones, or the runs change with them."
                )
            if unmatched := sorted(ends[0].keys() ^ mixed.keys()):
                return Check(False, f"{unmatched[0]} isn't in both, answer and runs: return every tensor by its name.")
            if mixing_coefficient in (0, 1) and (differing := list_changed(mixed, ends[int(mixing_coefficient)])):
                return Check(False, _format_difference(int(mixing_coefficient), differing, mixed, ends))
        for name, value in mixed.items():
            right = (ends[0][name].double() + ends[1][name].double()) / 2
            if value.is_floating_point() and not torch.allclose(value.double(), right, _TOLERANCE, _TOLERANCE):
                return Check(False, f"both ends are right, but at mixing_coefficient 0.5 {name} isn't halfway.")
    except Exception as error:  # as above
        return _format_failure(error)
    return Check(True, f"all {len(ends[0]) - 1} tensors keep every bit at both ends, and lie halfway between.")


def _make_tensors(run, made_up):
    """Return the tensors of a run's backbone and head by name, and one made up."""
    import torch

    parts = {"backbone": run.backbone, "head": run.head}
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    return tensors | {"made_up": torch.tensor(made_up)}


def _format_difference(mixing_coefficient, differing, mixed, ends):
    import torch

    from tlkit.training.changed_weights import list_changed

    end, other = ends[mixing_coefficient], ends[1 - mixing_coefficient]
    # The number of tensors, and which, depend on rounding and so on the machine.
    place = f"at mixing_coefficient {mixing_coefficient} some tensors"
    if not list_changed(mixed, other):
        return f"{place} are those of the other run: 0 is the parent, 1 the tuned one."
    numbers = [name for name in differing if end[name].is_floating_point()]
    if any(not torch.equal(mixed[name], end[name]) for name in numbers):
        return (
            f"{place} have other bits. Numbers in a computer are rounded, so a + (b - a) need not be b: look for a way "
            "that gives each end back as it is."
        )
    if counters := [name for name in differing if name not in numbers]:
        return (
            f"{place} have other bits, {counters[0]} among them. It counts, in whole numbers, of which there is no "
            "half, nor a mixture: give each end back as it is."
        )
    return (
        f"{place} are equal by value, but not in every bit: a sum with 0 loses the sign of a negative zero. Give each "
        "end back as it is."
    )


def _ask_for_function(answer):
    return Check(False, f"this should be your function, without brackets behind it, and is a {type(answer).__name__}.")


def _format_failure(error):
    return Check(False, f"the function ended in {type(error).__name__}: {error}")
