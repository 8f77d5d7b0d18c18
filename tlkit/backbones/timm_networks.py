"""The networks of timm under the names "timm:…": their entries in the catalogue, their costs, and building them."""

import csv
import dataclasses
import fnmatch
import functools
import importlib.resources
import math
import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from tlkit.arguments import suggest
from tlkit.backbones.networks import TIMM, Entry
from tlkit.backbones.recipe import Recipe

# Rows: pattern of a part of timm's tag, the data, and the kind of an `Entry`. Names of data sets come first, then words
# that imply data. The first pattern that matches counts. Pictures of everything are "general" for any task.
_TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "timm_tags.csv"
with _TABLE.open(encoding="utf-8", newline="") as _file:
    _DATA = [tuple(row.values()) for row in csv.DictReader(_file)]
# Computing the cost of a network takes about half a second, so a longer list comes without costs.
MOST_WITH_COSTS = 30


def read_tag(architecture, tag):
    """Return (pretrained_on, kind) of timm's weights; the kind is that of the data used last."""
    if architecture.endswith("_sapiens2"):
        return "Humans-1B, pictures of people", "domain"
    found = []
    for part in tag.split("_"):
        known = next(((data, kind) for pattern, data, kind in _DATA if re.fullmatch(pattern, part)), None)
        if known and known not in found[-1:]:
            found.append(known)
    if tag.startswith("qwen_drive"):
        return "not stated in timm, for driving", "domain"
    if not found:  # all such weights in timm are trained on web pictures
        return "not stated in timm", "general"
    return ", then ".join(data for data, _ in found), found[-1][1]


# Nearly all networks halve a picture five times. If one needs a larger picture, trying it raises an error.
_SMALLEST_SIDE_PX, _CHECKED_SIDE_PX = 32, 64


def find_timm_entry(name, weights="pretrained"):
    """Return the `Entry` of one of timm's networks, without costs, accuracy and year; its name is without the tag."""
    # "pretrained" is the tag in the name, or timm's default. A network without weights gets "none" and loads as random.
    architecture, tag = _split(name)
    tags = _tags()[architecture]
    if weights != "pretrained":
        if weights not in tags:
            raise ValueError(f"weights: {weights!r} is no set of weights of {name}; {suggest(weights, tags)}")
        if tag and tag != weights:
            raise ValueError(f"weights: {weights!r}, but name is {name!r}: give the tag in one of them")
        tag = weights
    return _make_entry(architecture, tag or (tags[0] if tags else ""))


def list_timm_entries(pattern):
    """Return the entries of timm's networks that match a pattern such as "timm:convnext*" or "timm:*.fb_in22k"."""
    # Networks without weights are skipped, as are weights whose preprocessing `Recipe` doesn't cover.
    pattern = pattern.removeprefix(TIMM)
    named = [(architecture, tag) for architecture, tags in _tags().items() for tag in tags]
    chosen = [
        (architecture, tag)
        for architecture, tag in named
        if fnmatch.fnmatchcase(architecture, pattern) or fnmatch.fnmatchcase(f"{architecture}.{tag}", pattern)
    ]
    return [_make_entry(*names) for names in chosen if _find_obstacle(_configuration(*names)) is None]


def build_timm(name):
    """Build one of timm's networks, "timm:name" or "timm:name.tag"; returns as `stages.build_network` does."""
    import timm

    from tlkit.backbones.timm_stages import cut_network

    architecture, tag = _split(name)
    network = timm.create_model(f"{architecture}.{tag}" if tag else architecture, pretrained=False)
    configuration = network.pretrained_cfg
    classifier = list_classifier(network)
    side = configuration["input_size"][1]
    sides = (side,) if configuration["fixed_input_size"] else (_CHECKED_SIDE_PX, side)
    try:
        stages, tail = cut_network(network, classifier, sides)
    except ValueError as error:
        raise ValueError(f"name: {name!r} can't be used as a backbone: {error}; choose another network") from error
    return network, stages, tail, classifier


def _split(name):
    """Return (architecture, tag or "") of a name, or raise ValueError if timm doesn't have it."""
    import timm

    architecture, _, tag = name.removeprefix(TIMM).partition(".")
    tags = _tags()
    if architecture not in tags:
        raise ValueError(f"name: {name!r:.80} is no network of timm {timm.__version__}; {suggest(architecture, tags)}")
    if tag and tag not in tags[architecture]:
        raise ValueError(f"name: {name!r} has no such weights in timm; {suggest(tag, tags[architecture])}")
    return architecture, tag


@functools.cache
def _tags():
    """Return {architecture: tags of its weights}, timm's default first."""
    import timm

    tags = {architecture: [] for architecture in timm.list_models()}
    for named in timm.list_pretrained():
        architecture, _, tag = named.partition(".")
        tags[architecture].append(tag)
    for architecture, listed in tags.items():
        default = timm.get_pretrained_cfg(architecture)
        listed.sort(key=lambda tag, first=default.tag if default else None: tag != first)
    return tags


def _configuration(architecture, tag):
    """Return timm's configuration of a set of weights."""
    import timm

    return timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)


def _find_obstacle(configuration):
    """Return why `Recipe` can't do the preprocessing of a configuration; None if it can."""
    n_channels, height, width = configuration.input_size
    if n_channels != 3 or height != width:
        return f"pictures of {height} × {width} px with {n_channels} channels, and tlkit's are square and of 3 colours"
    if configuration.crop_mode not in ("center", "squash"):
        return f"the crop mode {configuration.crop_mode!r}, and tlkit knows 'center' and 'squash'"
    return None


def _make_entry(architecture, tag):
    """Return the `Entry` of an architecture with the weights of a tag ("" for none)."""
    import timm

    configuration = _configuration(architecture, tag)
    if (obstacle := _find_obstacle(configuration)) is not None:
        raise ValueError(f"name: the weights {tag!r} of 'timm:{architecture}' want {obstacle}; choose other weights")
    pretrained_on, kind = read_tag(architecture, tag) if tag else ("nothing", "general")
    file, url = _find_file(configuration) if tag else ("", None)
    # As in `timm.data.create_transform`: the shorter side is rounded down. The size is that of training, not of tests.
    side = configuration.input_size[1]
    size = math.floor(side / configuration.crop_pct), side
    mean, std = tuple(configuration.mean), tuple(configuration.std)
    recipe = Recipe(*size, configuration.interpolation, mean, std, configuration.crop_mode)
    return Entry(
        name=f"{TIMM}{architecture}",
        weights=tag or "none",
        family=timm.models.model_entrypoint(architecture).__module__.rpartition(".")[2],
        recipe=recipe,
        weights_file=file,
        weights_url=url,
        licence=configuration.license or "unknown",
        source=f"timm, {pretrained_on}",
        pretrained_on=pretrained_on,
        kind=kind,
        smallest_size_px=side if configuration.fixed_input_size else _SMALLEST_SIDE_PX,
        fixed_size=bool(configuration.fixed_input_size),
        paper=configuration.paper_name or configuration.paper_ids,
    )


def _find_file(configuration):
    """Return (file name, URL) of the weights; the hub's safetensors are preferred, already in timm's names."""
    if configuration.hf_hub_id:
        published = configuration.hf_hub_filename or "model.safetensors"
        suffix = PurePosixPath(published).suffix
        url = f"https://huggingface.co/{configuration.hf_hub_id}/resolve/main/{published}"
        return f"{configuration.hf_hub_id.rpartition('/')[2]}{suffix}", url
    return PurePosixPath(urlsplit(configuration.url).path).name, configuration.url


def list_classifier(network):
    """Return the names of the layers that output classes."""
    layers = network.pretrained_cfg["classifier"] or ()
    return (layers,) if isinstance(layers, str) else tuple(layers)


def add_costs(entries):
    """Return timm's entries with their costs if they are of few networks, else as they are."""
    if len({entry.name for entry in entries}) > MOST_WITH_COSTS:
        return entries
    return [compute_costs(entry) for entry in entries]


def compute_costs(entry):
    """Return a copy of one of timm's entries with n_parameters, n_flops and n_features, or None if timm can't build."""
    costs = _costs(entry.name.removeprefix(TIMM), entry.recipe.crop_size_px)
    return dataclasses.replace(entry, **dict(zip(("n_parameters", "n_flops", "n_features"), costs, strict=True)))


@functools.cache
def _costs(architecture, side):
    """Return (n_parameters, n_flops, n_features), computed on torch's meta device without memory; None if it fails."""
    import timm
    import torch
    from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

    counter = FlopCounterMode(display=False)  # entered itself, it would put hooks on all modules of the process
    try:
        with torch.device("meta"), torch.no_grad(), _FlopCounterMode(counter):
            network = timm.create_model(architecture, pretrained=False).eval().requires_grad_(False)
            features = network.forward_head(network.forward_features(torch.zeros(1, 3, side, side)), pre_logits=True)
    except (RuntimeError, NotImplementedError, ValueError):  # some need real numbers while they are built
        return None, None, None
    excluded = {id(value) for layer in list_classifier(network) for value in network.get_submodule(layer).parameters()}
    n_parameters = sum(value.numel() for value in network.parameters() if id(value) not in excluded)
    return n_parameters, counter.get_total_flops(), features.shape[-1]
