"""Parts of networks that their authors wrote as code between the layers, as modules that a stage can hold."""

import torch
from torch import nn


class ToInceptionScale(nn.Module):
    """Turn pictures standardised as ImageNet's into values from -1 to 1, as Google trained GoogLeNet and Inception.

    torchvision does this inside these two networks, but only where it loads the weights itself.
    """

    def forward(self, batch):
        """Return (n, 3, height, width) of the same."""
        # The same operations in the same order as torchvision's, so that not a bit differs.
        channels = [
            batch[:, channel].unsqueeze(1) * (std / 0.5) + (mean - 0.5) / 0.5
            for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))
        ]
        return torch.cat(channels, 1)


class Tokens(nn.Module):
    """The first stage of torchvision's ViT: patches, class token, position embedding.

    Arguments
    ---------
    network: torchvision.models.VisionTransformer
        Its parameters are shared.
    """

    def __init__(self, network):
        super().__init__()
        self.conv_proj = network.conv_proj
        self.class_token = network.class_token
        self.pos_embedding = network.encoder.pos_embedding
        self.dropout = network.encoder.dropout

    def forward(self, batch):
        """Return (n, 1 + n_patches, n_features) of pictures (n, 3, height, width)."""
        patches = self.conv_proj(batch).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(len(batch), -1, -1)
        return self.dropout(torch.cat([class_token, patches], 1) + self.pos_embedding)


class ClassToken(nn.Module):
    """What a ViT passes on to its classifier: the first token."""

    def forward(self, tokens):
        """Return (n, n_features) of tokens (n, 1 + n_patches, n_features)."""
        return tokens[:, 0]
