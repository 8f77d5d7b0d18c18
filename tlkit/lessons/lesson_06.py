"""Exercises of lesson 06: the number of parameters that LoRA trains, and the largest batch that fits in memory."""

import functools
import itertools
import math

from tlkit.lessons.exercise import NotYet, calling_answer, compare, exercise, expect_function, expect_whole_number

_FIXED = ("parameters", "gradients", "optimizer")
# Rooms in MiB, and shares of the activations, as smaller pictures keep. The last room holds no step at all.
_CASES = ((300, 0.05), (300, 1), (77, 0.05), (0.5, 1))


@exercise("06_count", "the name of your function", expect_function)
def _check_count(answer, *, backbone, rank):
    """Return the verdict on (weight, rank) → number of parameters that LoRA trains for a layer with that weight."""
    from tlkit.training.lora import insert_lora

    layers = {}
    for name, module in insert_lora(backbone, seed=0, rank=rank).named_modules():
        if hasattr(module, "lora_A"):
            pair = (*module.lora_A.values(), *module.lora_B.values())
            layers[name] = module.base_layer.weight.detach(), sum(part.weight.numel() for part in pair)
    for name, (weight, right) in layers.items():
        with calling_answer():
            number = answer(weight, rank)
        number = expect_whole_number(number, f"for {name}: a number of parameters")
        title = f"for {name}, weight {tuple(weight.shape)}: {number:,}. "
        slips = {title + hint: wrong for hint, wrong in _list_count_slips(weight, rank).items()}
        hint = "Add up the numbers in A, r × inputs × height × width, and in B, outputs × r."
        compare(number, right, slips, title + hint)
    total, of_all = sum(right for _, right in layers.values()), sum(weight.numel() for weight, _ in layers.values())
    return f"{total:,} parameters, next to the {of_all:,} of the {len(layers)} layers that take an adapter."


def _list_count_slips(weight, rank):
    """Return {hint: number} of usual wrong counts for a layer with this weight."""
    n_out, n_in = weight.shape[:2]
    kernel = weight[0, 0].numel()
    # For 1 × 1 kernels some of these are the same number: the first hint is given.
    return {
        "The rank counts once: A has r rows and B r columns.": rank * rank * (n_in * kernel + n_out),
        "That is right for rank 1; at rank r there are r rows in A and r columns in B.": n_in * kernel + n_out,
        "The kernel's height and width belong to A alone; B is 1 × 1.": rank * (n_in + n_out) * kernel,
        "In a convolution A has the kernel's height and width: each input is used once per position.": (
            rank * (n_in + n_out)
        ),
        "That is B alone; A, which leads down to the rank, learns too.": rank * n_out,
        "That is A alone; B, which leads back to the outputs, learns too.": rank * n_in * kernel,
        "That is the layer's own weight, which stays frozen; only A and B learn.": weight.numel(),
    }


@exercise("06_batch", "the name of your function", expect_function)
def _check_batch(answer, *, memory, n_pictures):
    """Return the verdict on (parts, n_pictures, room_mib) → largest batch; `memory` has one row of parts per method."""
    # A probe that keeps none has no largest batch. Full tuning comes first: there, no two slips give the same number.
    rows = memory[memory["activations"] > 0].sort_values("gradients", ascending=False)
    for (room_mib, share), method in itertools.product(_CASES, rows.index):
        parts = rows.loc[method] * [share if part == "activations" else 1 for part in rows]
        with calling_answer():
            number = answer(parts.copy(), n_pictures, room_mib)
        per_picture = parts["activations"] / n_pictures
        where = f"for {method} in {room_mib:g} MiB, with {per_picture:.1f} MiB of activations per picture"
        n_fitting = expect_whole_number(number, f"{where}: a number of pictures, rounded down,")
        if n_fitting < 0:
            raise NotYet(f"{where}: {n_fitting} pictures. Not even one fits, so the answer is 0, not below.")
        title = f"{where}: {n_fitting} pictures. "
        slips = {title + hint: wrong for hint, wrong in _list_batch_slips(parts, n_pictures, room_mib).items()}
        hint = "Take the fixed parts from the room, then divide by the activations of one picture."
        compare(n_fitting, _find_batch(parts, n_pictures, room_mib), slips, title + hint)
    fits = ", ".join(f"{_find_batch(row, n_pictures, 300)} with {name}" for name, row in rows.iterrows())
    return f"in 300 MiB fit {fits}."


def _find_batch(parts, n_pictures, room_mib, fixed=_FIXED):
    """Return the number of pictures whose step fits in the room, if these parts don't depend on it."""
    left = room_mib - sum(parts[part] for part in fixed)
    return max(0, math.floor(left / (parts["activations"] / n_pictures)))


def _list_batch_slips(parts, n_pictures, room_mib):
    """Return {hint: number} of usual wrong answers."""
    find = functools.partial(_find_batch, parts, n_pictures, room_mib)
    return {
        "All parts grow with the batch in your formula; only activations do.": math.floor(
            room_mib / (parts.sum() / n_pictures)
        ),
        f"The activations are those of {n_pictures} pictures: divide them by {n_pictures}.": _find_batch(
            parts, 1, room_mib
        ),
        "The network and its optimizer need room first, whatever the batch.": find(()),
        "Gradients and AdamW's means need room too.": find(_FIXED[:1]),
        "AdamW's means need room too.": find(_FIXED[:2]),
        "The gradients need room too.": find(_FIXED[::2]),
        "The network's parameters need room too.": find(_FIXED[1:]),
        "Round down: with that many pictures the step needs more than there is.": find() + 1,
        "With one more picture the step still fits.": find() - 1,
    }
