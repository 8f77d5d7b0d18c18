"""Torch's random numbers from generators of one's own: other threads neither change them nor notice them."""

import functools
import threading

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Common functions that draw nothing, or take a generator. All others are examined while they run, which costs time.
_DETERMINISTIC = """
__deepcopy__ __eq__ __get__ __getitem__ __len__ __setitem__ _assert adaptive_avg_pool2d add add_ avg_pool2d batch_norm
cat chunk clone contiguous conv2d cross_entropy detach dim div einsum expand flatten float gelu hardsigmoid hardswish
hardtanh is_contiguous item layer_norm linear masked_fill matmul max_pool2d mean mul ne new_zeros pad permute relu
relu6 reshape roll sigmoid silu size softmax split squeeze sub sum swapaxes tanh to transpose unbind unsqueeze view
"""
_NEVER_DRAW = frozenset(_DETERMINISTIC.split())
_TAKE_GENERATOR = {"bernoulli_", "exponential_", "normal_", "rand", "randint", "randn", "randperm", "uniform_"}
_RATES = ("dropout_p", "dropout")  # arguments of operations that draw only if these are above 0


class _Entered(threading.local):
    """The `Draws` that a thread has entered; the last one draws."""

    def __init__(self):
        self.modes = []


_entered = _Entered()


class Draws(TorchFunctionMode):
    """Draw all random numbers of torch within a block from own generators, which give the same as torch's own."""

    # torch's own generator belongs to the process: other threads would draw from it too. A mode holds for its thread.
    def __init__(self, seed):
        super().__init__()
        self._operations = _Operations(seed)

    def __enter__(self):
        _entered.modes.append(self)
        return super().__enter__()

    def __exit__(self, *error):
        _entered.modes.pop()
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", None), kwargs or {}
        if name in _NEVER_DRAW or _entered.modes[-1] is not self:
            return func(*args, **kwargs)
        if func is torch.nn.functional.dropout:
            return self._drop(*args, **kwargs)
        device = _find_device(args, kwargs)
        if (
            name in _TAKE_GENERATOR
            and device.type == "cpu"
            and not any(isinstance(value, torch.Generator) for value in (*args, kwargs.get("generator")))
        ):
            return func(*args, **kwargs | {"generator": self._operations.find_generator(device)})
        with self._operations:
            return func(*args, **kwargs)

    def _drop(self, input, p=0.5, training=True, inplace=False):
        """Return what torch's dropout returns; the arguments have torch's names, since they may come by keyword."""
        if not training or p == 0:
            return input
        if input.device.type == "cpu" and p < 1 and not inplace:
            generator = self._operations.find_generator(input.device)
            return input * torch.empty_like(input).bernoulli_(1 - p, generator=generator).div_(1 - p)
        with self._operations:
            return torch.nn.functional.dropout(input, p, training, inplace)

    def get_states(self):
        """Return the states of the generators, {device: (n,) uint8}."""
        return {device: generator.get_state() for device, generator in self._operations.generators.items()}

    def set_states(self, states):
        """Continue from the states of `get_states`."""
        for device, state in states.items():
            self._operations.find_generator(device).set_state(state)


class _Operations(TorchDispatchMode):
    """Gives a generator to each operation that draws."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.generators = seed, {}

    def find_generator(self, device):
        """Return the generator of a device."""
        if str(device) not in self.generators:
            self.generators[str(device)] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[str(device)]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not _is_random(func) or any(isinstance(value, torch.Generator) for value in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        device = _find_device(args, kwargs)
        if device.type == "meta":
            return func(*args, **kwargs)
        if draw := _find_overload(func):
            return draw(*args, **kwargs, generator=self.find_generator(device))
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        if func is torch.ops.aten.native_dropout.default and given["train"] is not False:
            kept = torch.empty_like(given["input"], dtype=torch.bool)
            kept.bernoulli_(1 - given["p"], generator=self.find_generator(device))
            return given["input"] * kept / (1 - given["p"]), kept
        if not any(given.get(rate) for rate in _RATES):
            return func(*args, **kwargs)
        raise RuntimeError(f"{func} draws from torch's random state, which is shared: take a dropout rate of 0 there")


def _find_device(args, kwargs):
    """Return the device of the first tensor among arguments, or the one that is asked for."""
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
    return next((tensor.device for tensor in tensors), torch.device(kwargs.get("device") or "cpu"))


@functools.cache
def _is_random(func):
    """Return whether an operation may draw random numbers."""
    return _find_overload(func) is not None or torch.Tag.nondeterministic_seeded in func.tags


@functools.cache
def _find_overload(func):
    """Return what to call instead of an operation to give it a generator, or None if it takes none."""
    if _takes_generator(func):
        return func
    packet = func.overloadpacket
    return packet if any(_takes_generator(getattr(packet, name)) for name in packet.overloads()) else None


def _takes_generator(func):
    """Return whether one overload of an operation has an argument for a generator."""
    return any(argument.name == "generator" for argument in func._schema.arguments)
