"""The networks whose weights come in a package without torch's code for them: a thin ResNet and PP-LCNetV3."""

import torch
from torch import nn

# Each of PP-LCNetV3's stages' blocks: side of the filter, channels, stride, whether channels are weighted.
_STAGES = (
    [(3, 32, 1, False)],
    [(3, 64, 1, False)] * 2,
    [(3, 128, (2, 1), False), (3, 128, 1, False)],
    [(3, 240, (1, 2), False)] + [(5, 240, 1, False)] * 4,
    [(5, 480, (2, 1), True), (5, 480, 1, True), (5, 480, (2, 1), False), (5, 480, 1, False)],
)
_N_STEM = 16


def make_thin_resnet():
    """Return a ResNet-50 with half the channels, as Caffe's pynetbuilder made it for open_nsfw."""
    from timm.models.resnet import Bottleneck, ResNet

    network = ResNet(Bottleneck, [3, 4, 6, 3], channels=(32, 64, 128, 256), num_classes=0)
    network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for layer in (network.layer2, network.layer3, network.layer4):
        # As in the ResNet paper; timm halves the map one convolution later.
        layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, layer[0].conv1.stride
    return network


class Affine(nn.Module):
    """Multiply all values by one number and add another."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        """Return the changed values."""
        return self.weight * batch + self.bias


def make_lcnet():
    """Return PP-LCNetV3 as in PP-OCRv4, without the parts that turn its map into text; maps shrink more in height."""
    # The published weights are merged: each convolution stands for several branches with norm layers, as in MobileOne
    # (Vasu et al., arXiv:2206.04040). Only the stem keeps a norm layer.
    from torchvision.ops import SqueezeExcitation

    network, n_channels = nn.Sequential(), _N_STEM
    network.stem = nn.Sequential(nn.Conv2d(3, _N_STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(_N_STEM))
    for number, blocks in enumerate(_STAGES, start=1):
        stage = nn.Sequential()
        for side, n_outputs, stride, weighted in blocks:
            stage.append(_make_layer(n_channels, n_channels, side, stride, n_channels))
            if weighted:
                stage.append(SqueezeExcitation(n_channels, n_channels // 4, scale_activation=nn.Hardsigmoid))
            stage.append(_make_layer(n_channels, n_outputs))
            n_channels = n_outputs
        network.add_module(f"stage{number}", stage)
    return network


def _make_layer(n_inputs, n_outputs, side=1, stride=1, groups=1):
    """Return a convolution and an activation, each followed by an `Affine`."""
    convolution = nn.Conv2d(n_inputs, n_outputs, side, stride, side // 2, groups=groups)
    # Without norm layers, smaller random weights would let the values vanish.
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, Affine(), nn.Hardswish(), Affine())


PACKED = {"open_nsfw": make_thin_resnet, "ppocr_rec": make_lcnet}
