"""Convolutions of a training step on a processor, where the library's way to their gradients is the slow one."""

import torch
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

# A 1 × 1 convolution is a matrix product over all places of all pictures. Up to so many of them the product alone was
# faster, forward and in both gradients; of more, the library's own kernel takes no longer.
MOST_PLACES = 2_000


class QuickConvolutions(TorchFunctionMode):
    """While it is entered, convolutions of float32 on a CPU are computed in the way that makes a step fastest.

    Two kinds are: those of 1 × 1, by `convolve_points`, and depthwise ones whose kernel is larger than the map, by
    `DepthwiseOnSmallMap`. Results and gradients are the same up to rounding; what is no such convolution, or not kept
    channels last, is left to the library. Modules, their weights and what they return stay what they are.

    >>> pictures = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    >>> layer = torch.nn.Conv2d(3, 5, 1)
    >>> with QuickConvolutions():
    ...     quick = layer(pictures)
    >>> torch.allclose(quick, layer(pictures), atol=1e-6)
    True
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.conv2d:
            return _convolve(*args, **kwargs)
        return func(*args, **kwargs)


# Its arguments are named as torch names them, since they come by keyword too.
def _convolve(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    stride, padding, dilation = (_pair(value) for value in (stride, padding, dilation))
    if (
        input.ndim == 4
        and not isinstance(padding, str)
        and input.device.type == "cpu"
        and input.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and stride == dilation == (1, 1)
        and input.is_contiguous(memory_format=torch.channels_last)
    ):
        n_pictures, n_channels, *side = input.shape
        kernel = tuple(weight.shape[2:])
        if kernel == (1, 1) and groups == 1 and padding == (0, 0) and n_pictures * side[0] * side[1] <= MOST_PLACES:
            return convolve_points(input, weight, bias)
        is_depthwise = groups == n_channels == len(weight)
        keeps_side = [2 * padded + 1 for padded in padding] == list(kernel)
        if is_depthwise and keeps_side and bias is None and kernel[0] > side[0] and kernel[1] > side[1]:
            return DepthwiseOnSmallMap.apply(input, weight)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def convolve_points(maps, weight, bias=None):
    """Return the 1 × 1 convolution of maps as one matrix product.

    Arguments
    ---------
    maps: (n, n_channels, height, width)
        Channels last, as what is returned.
    weight: (n_outputs, n_channels, 1, 1)
    bias: (n_outputs,), optional
    """
    return torch.nn.functional.linear(maps.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class DepthwiseOnSmallMap(torch.autograd.Function):
    """The depthwise convolution of stride 1 that keeps the map's size, where the kernel is larger than the map.

    The weights' gradient is what the gradient of each map, as a kernel, makes of that map: a depthwise convolution too,
    of every map of every picture on its own, summed over pictures. The library's kernel for it, made for maps that are
    larger, was seen to take thirty times as long as the forward pass.
    """

    @staticmethod
    def forward(ctx, maps, weight):
        """Return (n, n_channels, height, width) of maps of that shape and weights (n_channels, 1, height, width)."""
        ctx.save_for_backward(maps, weight)
        return torch.conv2d(maps, weight, padding=[side // 2 for side in weight.shape[2:]], groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Return the gradients of maps and weights."""
        maps, weight = ctx.saved_tensors
        padding = [side // 2 for side in weight.shape[2:]]
        of_maps = of_weight = None
        if ctx.needs_input_grad[0]:
            settings = [1, 1], padding, [1, 1], False, [0, 0], len(weight), [True, False, False]
            of_maps = torch.ops.aten.convolution_backward(gradient, maps, weight, None, *settings)[0]
        if ctx.needs_input_grad[1]:
            places, kernels = _line_up(maps), _line_up(gradient).transpose(0, 1)
            products = torch.conv2d(places, kernels, padding=padding, groups=len(kernels)).permute(2, 3, 1, 0)
            of_weight = products.unflatten(2, maps.shape[:2]).sum(2).permute(2, 3, 0, 1)
        return of_maps, of_weight


def _line_up(maps):
    """Return (1, n * n_channels, height, width), channels last, of (n, n_channels, height, width)."""
    if maps.shape[2:] == (1, 1):
        # As a kernel it would be computed in another way, which is slow on one thread: a column of zeros prevents that.
        maps = torch.nn.functional.pad(maps, (0, 1))
    # The new dimension before the order of the others: else torch doesn't see that channels are last.
    return maps.permute(2, 3, 0, 1).flatten(2).unsqueeze(0).permute(0, 3, 1, 2)


def _pair(value):
    return (value, value) if isinstance(value, int) else value if isinstance(value, str) else tuple(value)
