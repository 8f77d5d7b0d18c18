"""Exercises of lesson 06: the number of parameters that LoRA trains, and the ends of an interpolation of weights."""

from tlkit.lessons.exercise import NotYet, calling_answer, compare, exercise, expect_function, expect_whole_number

_TOLERANCE = 1e-6
# Values that a formula may lose and real tensors may lack: the sign of a zero, the smaller of two numbers.
_MADE_UP = ([0.0, -0.0, 1.0], [-0.0, 0.0, 1e-9])


@exercise("06_count", "the name of your function")
def _check_count(answer, *, backbone, rank):
    """Return the verdict on (weight, rank) → number of parameters that LoRA trains for a layer with that weight."""
    expect_function(answer)
    from tlkit.training.lora import insert_lora

    layers = {}
    for name, module in insert_lora(backbone, seed=0, rank=rank).named_modules():
        if hasattr(module, "lora_A"):
            pair = (*module.lora_A.values(), *module.lora_B.values())
            layers[name] = module.base_layer.weight.detach(), sum(part.weight.numel() for part in pair)
    with calling_answer():
        counted = {name: answer(weight, rank) for name, (weight, _) in layers.items()}
    for name, number in counted.items():
        weight, right = layers[name]
        expect_whole_number(number, f"for {name}: a number of parameters")
        title = f"for {name}, weight {tuple(weight.shape)}: {number:,}. "
        slips = {title + hint: wrong for hint, wrong in _list_count_slips(weight, rank).items()}
        hint = "Add up the numbers in A, r × inputs × height × width, and in B, outputs × r."
        compare(number, right, slips, title + hint)
    total, of_all = sum(counted.values()), sum(weight.numel() for weight, _ in layers.values())
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


@exercise("06_ends", "the name of your function")
def _check_ends(answer, *, parent, tuned):
    """Return the verdict on (parent, tuned, mixing_coefficient) → tensors by name; at 0 and 1 bits of the runs."""
    expect_function(answer)
    ends = [_make_tensors(run, made_up) for run, made_up in zip((parent, tuned), _MADE_UP, strict=True)]
    with calling_answer():
        _compare_mixtures(answer, ends)
    return f"all {len(ends[0]) - 1} tensors keep every bit at both ends, and lie halfway between."


def _make_tensors(run, made_up):
    """Return the tensors of a run's backbone and head by name, and one that is made up."""
    import torch

    parts = {"backbone": run.backbone, "head": run.head}
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    return tensors | {"made_up": torch.tensor(made_up)}


def _compare_mixtures(mix, ends):
    """Raise NotYet if a function changes a bit of the ends, or if it doesn't return their mean at 0.5."""
    import torch

    from tlkit.training.changed_weights import list_changed

    given = [{name: value.clone() for name, value in tensors.items()} for tensors in ends]
    for coefficient in (1.0, 0.0, 0.5):  # one mixture at a time, because each is as large as a network
        mixed = mix(*given, coefficient)
        if any(list_changed(*pair) for pair in zip(given, ends, strict=True)):
            raise NotYet("the tensors that it was given changed: make new ones, or the runs change with them.")
        if unmatched := sorted(ends[0].keys() ^ mixed.keys()):
            raise NotYet(f"{unmatched[0]} isn't in both, answer and runs: return every tensor by its name.")
        if coefficient in (0, 1) and (differing := list_changed(mixed, ends[int(coefficient)])):
            raise NotYet(_describe_difference(int(coefficient), differing, mixed, ends))
    for name, value in mixed.items():
        right = (ends[0][name].double() + ends[1][name].double()) / 2
        if value.is_floating_point() and not torch.allclose(value.double(), right, _TOLERANCE, _TOLERANCE):
            raise NotYet(f"both ends are right, but at mixing_coefficient 0.5 {name} isn't halfway.")


def _describe_difference(coefficient, differing, mixed, ends):
    """Return the hint for tensors that have other bits than the run at an end."""
    import torch

    from tlkit.training.changed_weights import list_changed

    end, other = ends[coefficient], ends[1 - coefficient]
    # Which tensors differ, and how many, depends on rounding and so on the machine.
    title = f"at mixing_coefficient {coefficient} some tensors"
    if not list_changed(mixed, other):
        return f"{title} are those of the other run: 0 is the parent, 1 the tuned one."
    floating = [name for name in differing if end[name].is_floating_point()]
    if any(not torch.equal(mixed[name], end[name]) for name in floating):
        return (
            f"{title} have other bits. Numbers in a computer are rounded, so a + (b - a) need not be b: look for a way "
            "that gives each end back as it is."
        )
    if counters := [name for name in differing if name not in floating]:
        return (
            f"{title} have other bits, for example {counters[0]}. It counts in whole numbers, which have no halves "
            "and no mixtures: give each end back as it is."
        )
    return (
        f"{title} are equal by value, but not in every bit: a sum with 0 loses the sign of a negative zero. Give each "
        "end back as it is."
    )
