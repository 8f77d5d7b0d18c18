"""Faster convolutions for training on a CPU, in cases that torch's own kernels handle slowly."""

import torch
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

# A 1 × 1 convolution is a matrix product with one row per pixel of each map. Up to this many rows the plain product was
# faster, forward and in both gradients; above it, torch's own kernel takes no longer.
MAX_ROWS = 2_000


class QuickConvolutions(TorchFunctionMode):
    """Compute 1 × 1 and small depthwise float32 convolutions faster, with the same results up to rounding."""

    # A function mode intercepts torch.conv2d; other kinds, and maps that aren't channels last, go to torch as usual.
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return _convolve(*args, **kwargs) if func is torch.conv2d else func(*args, **kwargs)


# The arguments have torch's names, since they may come by keyword; padding may be a text, such as "same".
def _convolve(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Return the convolution (n, n_outputs, height, width) as torch.conv2d does, in the fastest way known here."""
    stride, padding, dilation = (
        (each, each) if isinstance(each, int) else each if isinstance(each, str) else tuple(each)
        for each in (stride, padding, dilation)
    )
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
        if kernel == (1, 1) and groups == 1 and padding == (0, 0) and n_pictures * side[0] * side[1] <= MAX_ROWS:
            return convolve_points(input, weight, bias)
        is_depthwise = groups == n_channels == len(weight)
        keeps_side = [2 * padded + 1 for padded in padding] == list(kernel)
        if is_depthwise and keeps_side and bias is None and kernel[0] > side[0] and kernel[1] > side[1]:
            return DepthwiseOnSmallMap.apply(input, weight)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def convolve_points(maps, weight, bias=None):
    """Return the 1 × 1 convolution of maps (n, n_channels, height, width), channels last, as one matrix product."""
    return torch.nn.functional.linear(maps.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class DepthwiseOnSmallMap(torch.autograd.Function):
    """Depthwise convolution with stride 1 that keeps the map's size, for kernels larger than the map."""

    # torch's kernel for the gradient of the weights took thirty times as long as the forward pass on such maps. One
    # depthwise convolution of n × n_channels maps with their output gradients computes it, summed over the pictures.
    @staticmethod
    def forward(ctx, maps, weight):
        """Return (n, n_channels, height, width) for maps of that shape and weights (n_channels, 1, height, width)."""
        ctx.save_for_backward(maps, weight)
        return torch.conv2d(maps, weight, padding=[side // 2 for side in weight.shape[2:]], groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Return the gradients with respect to maps and weights."""
        maps, weight = ctx.saved_tensors
        padding = [side // 2 for side in weight.shape[2:]]
        maps_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            settings = [1, 1], padding, [1, 1], False, [0, 0], len(weight), [True, False, False]
            maps_gradient = torch.ops.aten.convolution_backward(gradient, maps, weight, None, *settings)[0]
        if ctx.needs_input_grad[1]:
            channels, kernels = _merge_pictures(maps), _merge_pictures(gradient).transpose(0, 1)
            products = torch.conv2d(channels, kernels, padding=padding, groups=len(kernels)).permute(2, 3, 1, 0)
            weight_gradient = products.unflatten(2, maps.shape[:2]).sum(2).permute(2, 3, 0, 1)
        return maps_gradient, weight_gradient


def _merge_pictures(maps):
    """Return maps (n, n_channels, height, width) as (1, n * n_channels, height, width), channels last."""
    if maps.shape[2:] == (1, 1):
        # torch computes a 1 × 1 kernel in another way, which is slow on one thread; a column of zeros prevents that.
        maps = torch.nn.functional.pad(maps, (0, 1))
    # The new dimension is inserted before the axes are reordered, or torch doesn't see that channels are last.
    return maps.permute(2, 3, 0, 1).flatten(2).unsqueeze(0).permute(0, 3, 1, 2)
