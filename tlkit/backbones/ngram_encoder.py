"""Google's multilingual Universal Sentence Encoder (Yang et al., arXiv:1907.04307): n-grams of tokens, summed.

A table gives each token 512 numbers. Two layers of convolutions look at 2, 3 and 5 tokens at once; the sum over all
tokens, divided by the square root of their number, goes through dense layers and is scaled to length 1.

The table is published rounded to 6 bits (64 values, whose scale differs between 17 groups of tokens). It stays so, as a
buffer of 66 MB, and is never trained: as float32 with the optimizer's averages it would need 1 GB. What follows it is
trained, the projection behind the table too.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding, normalize, pad

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.text_entries import make_text_entry
from tlkit.backbones.text_recipe import TextRecipe
from tlkit.backbones.weights.hashes import list_published, record_sha256
from tlkit.backbones.weights.sentencepiece_model import convert_model
from tlkit.backbones.weights.wheels import find_members
from tlkit.cpu.draws import Draws

NAME = "use_multilingual"
_N_GROUPS, _N_PER_GROUP = 17, 7530
_N_VALUES, _N_CHANNELS, _N_HIDDEN, _N_FEATURES = 512, 256, 320, 512
_WINDOWS = {2: (0, 1), 3: (1, 1), 5: (2, 2)}  # {tokens that a convolution looks at: (those before, those behind)}
_EPSILON = 1e-12


def load_ngram(weights, n_tokens, seed):
    """Return the `Backbone` with the published weights, or with random ones if `weights` is None."""
    paths = find_members(NAME)
    recipe = TextRecipe(n_tokens, convert_model(paths["sp.model"].read_bytes()))
    if weights is None:
        return draw_ngram(recipe, seed)
    path, entry = paths["weights.npz"], make_text_entry(NAME)
    sha256 = list_published()[entry.weights_file]
    record_sha256(path, path.stat(), sha256)  # with it, frozen features are found without torch
    provenance = {"source": entry.source, "file": str(path), "sha256": sha256, "licence": entry.licence}
    backbone = _make(recipe, provenance)
    with np.load(path, allow_pickle=False) as arrays:
        backbone.load_state_dict(_read_state(arrays))
    return backbone


def draw_ngram(recipe, seed):
    """Return the `Backbone` with random weights and a random table, which isn't trained either."""
    provenance = {"source": f"random weights, seed {seed}", "file": None, "sha256": None, "licence": "none needed"}
    with Draws(seed):
        return _make(recipe, provenance)


def _make(recipe, provenance):
    """Return the `Backbone` with random weights; its last stage gives the features."""
    stages = {
        "embeddings": Embeddings(),
        "convolutions1": Convolutions(),
        "convolutions2": nn.Sequential(Convolutions(), Norm()),
        "dense1": Sum(),
        "dense2": Dense(),
    }
    backbone = Backbone(NAME, stages, Mean(), recipe, provenance).eval()
    backbone.made = {"factory": None, "config": {"model_type": NAME}}
    return backbone


def _read_state(arrays):
    """Return the state of the `Backbone`, {name: tensor}, of the published arrays."""
    table = np.empty((_N_GROUPS * _N_PER_GROUP, _N_VALUES), np.uint8)
    for group in range(_N_GROUPS):
        table[group::_N_GROUPS] = arrays[f"q{group + 1}"]
    found = {"embeddings.table": table, "embeddings.scale": arrays["scale"], "embeddings.lowest": arrays["lo"]}

    def join(name):
        return np.concatenate([arrays[f"{name}{n}"] for n in _WINDOWS], -1)

    found |= {"embeddings.projection.weight": join("proj").T, "embeddings.projection.bias": join("proj_b")}
    found |= {"embeddings.norm.weight": join("ln_g"), "embeddings.norm.bias": join("ln_b")}
    for number, stage in ((1, "convolutions1"), (2, "convolutions2.0")):
        for index, n in enumerate(_WINDOWS):
            found[f"{stage}.layers.{index}.weight"] = arrays[f"w{number}_{n}"].T
            found[f"{stage}.layers.{index}.bias"] = arrays[f"b{number}_{n}"]
    found |= {"convolutions2.1.norm.weight": arrays["ln_g"], "convolutions2.1.norm.bias": arrays["ln_b"]}
    found |= {"dense1.projection.weight": arrays["cnn_W"].T, "dense1.projection.bias": arrays["cnn_b"]}
    layers = {"dense1.hidden": "d0", "dense1.output": "d1", "dense1.skip": "p1"}
    layers |= {"dense2.hidden": "d2", "dense2.output": "d3", "dense2.skip": "p3"}
    found |= {f"{name}.weight": arrays[published].T for name, published in layers.items()}
    return {f"body.{name}": torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


class Embeddings(nn.Module):
    """The first stage: the values of each token, and a projection of them for each of the windows."""

    def __init__(self):
        super().__init__()
        shape, n_outputs = (_N_GROUPS * _N_PER_GROUP, _N_VALUES), len(_WINDOWS) * _N_CHANNELS
        self.register_buffer("table", torch.randint(0, 64, shape, dtype=torch.uint8))
        self.register_buffer("scale", torch.full((_N_GROUPS,), 0.05))
        self.register_buffer("lowest", torch.full((_N_GROUPS,), -0.05 * 31.5))
        self.projection = nn.Linear(_N_VALUES, n_outputs)
        self.norm = nn.LayerNorm(n_outputs, _EPSILON)

    def forward(self, tokens):
        """Return (n, n_tokens, 1281) of ids and mask (n, n_tokens, 2): values, their projection, and the mask."""
        ids, group = tokens[..., 0], tokens[..., 0] % _N_GROUPS
        scale, lowest = (each[group].unsqueeze(-1) for each in (self.scale, self.lowest))
        values = embedding(ids, self.table).to(scale.dtype) * scale + lowest
        hidden = self.norm(self.projection(values))
        return torch.cat([values, hidden, tokens[..., 1:].to(hidden.dtype)], 2)


class Convolutions(nn.Module):
    """A convolution for each window, whose input is added to its output."""

    def __init__(self):
        super().__init__()
        # A linear layer on the tokens of a window, laid side by side, is a convolution.
        self.layers = nn.ModuleList(nn.Linear(n * _N_CHANNELS, _N_CHANNELS) for n in _WINDOWS)

    def forward(self, batch):
        """Return values, changed hidden states and mask of the same, (n, n_tokens, 1281)."""
        values, mask, n_tokens = batch[..., :_N_VALUES], batch[..., -1:], batch.shape[1]
        changed = []
        parts = batch[..., _N_VALUES:-1].chunk(len(_WINDOWS), -1)
        for layer, hidden, (before, behind) in zip(self.layers, parts, _WINDOWS.values(), strict=True):
            # Behind a text there are zeros, whatever fills it up.
            wide = pad(hidden * mask, (0, 0, before, behind))
            window = torch.cat([wide[:, start : start + n_tokens] for start in range(before + behind + 1)], 2)
            changed.append(layer(window).relu() + hidden)
        return torch.cat([values, *changed, mask], 2)


class Norm(nn.Module):
    """A norm layer for all but the mask."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(_N_VALUES + len(_WINDOWS) * _N_CHANNELS, _EPSILON)

    def forward(self, batch):
        """Return normalised values and the mask of the same, (n, n_tokens, 1281)."""
        return torch.cat([self.norm(batch[..., :-1]), batch[..., -1:]], 2)


class Sum(nn.Module):
    """The sum of all tokens over the square root of their number, and the first dense layers."""

    def __init__(self):
        super().__init__()
        self.mean = Mean()
        self.projection = nn.Linear(_N_VALUES + len(_WINDOWS) * _N_CHANNELS, _N_FEATURES)
        self.hidden = nn.Linear(_N_FEATURES, _N_HIDDEN, bias=False)
        self.output = nn.Linear(_N_HIDDEN, _N_HIDDEN, bias=False)
        self.skip = nn.Linear(_N_FEATURES, _N_HIDDEN, bias=False)

    def forward(self, batch):
        """Return (n, 320) of (n, n_tokens, 1281)."""
        total = self.projection(self.mean(batch)) * batch[..., -1].sum(1, keepdim=True).sqrt()
        return (self.output(self.hidden(total).relu()) + self.skip(total)).relu()


class Dense(nn.Module):
    """The last dense layers; the features have length 1."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(_N_HIDDEN, _N_FEATURES, bias=False)
        self.output = nn.Linear(_N_FEATURES, _N_FEATURES, bias=False)
        self.skip = nn.Linear(_N_HIDDEN, _N_FEATURES, bias=False)

    def forward(self, batch):
        """Return the features (n, 512) of (n, 320)."""
        return normalize((self.output(self.hidden(batch).relu()) + self.skip(batch)).tanh(), dim=1, eps=_EPSILON**0.5)


class Mean(nn.Module):
    """The tail: the mean over the tokens of a text; values without tokens stay as they are."""

    def forward(self, batch):
        """Return (n, n_features) of hidden states and mask (n, n_tokens, n_features + 1)."""
        if batch.ndim == 2:
            return batch
        mask = batch[..., -1:]
        return (batch[..., :-1] * mask).sum(1) / mask.sum(1).clamp(min=1)
