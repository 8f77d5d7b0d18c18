"""The grid of a study: its networks, sets and settings are read, checked and hashed before anything runs."""

import dataclasses
import functools
import hashlib
import itertools
import json
import os

import numpy as np

from tlkit.arguments import check_known
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.loader import load_backbone
from tlkit.backbones.networks import is_text
from tlkit.comparison.arms import HAND_MADE, choose_split, read_inputs, read_test
from tlkit.comparison.runner import read_counts, read_seeds
from tlkit.images.imageset import ImageSet, check_images
from tlkit.images.load import load_images
from tlkit.strategies.probe import Probe
from tlkit.strategies.strategy import Strategy, adjust_phases
from tlkit.studies.cell_measurement import Measurement, Source, StudyCell, hash_set
from tlkit.texts.sources import load_texts
from tlkit.training.settings import TrainingSettings, check_target

SETTINGS = {field.name for field in dataclasses.fields(TrainingSettings) if field.metadata["recorded"]}


@dataclasses.dataclass
class Grid:
    """All cells of a study, the measurement that runs them, and a description of their origin."""

    cells: list
    measurement: Measurement
    baseline: str
    description: dict


def read_grid(backbones, images, strategies, shots, seeds, image_size_px, baseline, settings):
    """Return the `Grid` of the arguments of a study; errors name the argument."""
    shots, seeds = sorted(read_counts("shots", shots, 1)), read_seeds(seeds)
    sizes = read_counts("image_size_px", image_size_px, 1)
    if not isinstance(strategies, (str, list, tuple, Probe, Strategy)):
        raise TypeError(f"strategies: {strategies!r}, expected a list of names, Strategy or Probe")
    networks, sets = _name("backbones", backbones), _name("images", images)
    levels = _read_settings(settings)
    sources, loaded = {}, {}

    def load(argument, name, function, hash_value):
        value = function()
        found = hash_value(value)
        if found in sources:
            raise ValueError(f"{argument}: {name!r} is the same as {sources[found].name}: leave one of them out")
        sources[found], loaded[found] = Source(f"{argument}: {name!r}", found, function), value
        return found, value

    read_sets = [(name, *load("images", name, functools.partial(_load_set, given), hash_set)) for name, given in sets]
    for name, _, (pictures, test) in read_sets:
        _check_shots(name, pictures, test, shots, seeds)
    cells, described = [], {}
    for (name, given), size in itertools.product(networks, sizes):
        if not _takes_size(given) and len(sizes) > 1:
            raise ValueError(f"image_size_px: {sizes}, but backbone {name!r} has its own: leave sizes out, or name it")
        load_this = functools.partial(_load_network, given, size)
        network_hash, backbone = load("backbones", name, load_this, Backbone.fingerprint)
        described[f"{name}, {backbone.recipe.shown_size}"] = backbone.provenance["source"]
        for set_name, set_hash, (pictures, _) in read_sets:
            if pictures.noun != backbone.recipe.noun:
                takes = f"backbone {name!r} takes {backbone.recipe.noun}s: make a study of each"
                raise ValueError(f"images: {set_name!r} holds {pictures.noun}s, but {takes}")
            _, _, arms, _ = read_inputs(backbone, pictures, strategies, 1, size, None)
            arm_facts = {arm: value if value == HAND_MADE else value.describe() for arm, value in arms.items()}
            for arm, level in itertools.product(arms, levels):
                _check_settings(arm, arms[arm], level, backbone, shots[0] * len(pictures.classes))
            place = name, network_hash, set_name, set_hash, backbone.image_size_px
            for level, seed, n_shots, arm in itertools.product(levels, seeds, shots, arms):
                cells.append(_make_cell(place, arm, arm_facts[arm], level, n_shots, seed))
    if baseline is None:
        baseline = "from_scratch" if "from_scratch" in arms else next(iter(arms))
    check_known("baseline", [baseline], arms)
    description = {
        "backbones": described,
        "images": {
            name: " tested on ".join(repr(part) for part in value if part is not None) for name, _, value in read_sets
        },
        "strategies": arm_facts,
    }
    return Grid(cells, Measurement(sources, arms, seeds[0], loaded), baseline, description)


def _name(argument, given):
    """Return [(name, source)] of a name, an object, a list of them, or a dict with names."""
    if isinstance(given, dict):
        pairs = list(given.items())
    else:
        items = [given] if isinstance(given, (str, os.PathLike, Backbone, ImageSet)) or given is None else given
        if not isinstance(items, (list, tuple)):
            raise TypeError(
                f"{argument}: a {type(given).__name__}, expected a name, an object, a list of them, or a dict"
            )
        items = [os.fspath(item) if isinstance(item, os.PathLike) else item for item in items]
        pairs = [(item if isinstance(item, str) else getattr(item, "name", argument), item) for item in items]
    names = [name for name, _ in pairs]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{argument}: {names}, expected one or more, of different names: pass a dict, {{name: …}}")
    return pairs


def _takes_size(given):
    """Return whether a network is loaded at the sizes of the study."""
    if isinstance(given, dict):
        return "image_size_px" not in given and _takes_size(given.get("name"))
    return not isinstance(given, Backbone) and not is_text(given)


def _load_network(given, size):
    """Return the `Backbone` of a name, of arguments of `load_backbone`, or the one given."""
    if isinstance(given, Backbone):
        return given
    arguments = given if isinstance(given, dict) else {"name": given}
    return load_backbone(**({"image_size_px": size} if _takes_size(given) else {}) | arguments)


def _load_set(given):
    """Return (set, test set or None) of a set, a pair, a source, or a dict of arguments of `load_images`."""
    if isinstance(given, dict):
        arguments = dict(given)
        test = arguments.pop("test", None)
        load = functools.partial(load_texts, arguments.pop("texts")) if "texts" in arguments else load_images
        images, test = load(**arguments), None if test is None else _load_set(test)[0]
    elif given is None or isinstance(given, (str, os.PathLike)):
        images, test = load_images("styles", domain="clipart") if given is None else load_images(given), None
    else:
        images, test = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        check_images("images", images)
    return images, None if test is None else read_test(images, test)


def _read_settings(settings):
    """Return the combinations of settings of `transfer` as dicts of plain values; a list is one level after another."""
    check_known("settings of transfer", settings, SETTINGS)
    choices = {name: np.asarray(value, object).reshape(-1).tolist() for name, value in settings.items()}
    levels = []
    for values in itertools.product(*choices.values()):
        read = TrainingSettings(**dict(zip(choices, values, strict=True)))
        levels.append({name: getattr(read, name) for name in choices})
    for name, values in choices.items():
        if not values or len({level[name] for level in levels}) != len(values):
            raise ValueError(f"{name}: {values}, expected one or more different values")
    return levels


def _check_settings(name, arm, level, backbone, n_train):
    """Raise TypeError or ValueError if a setting has a wrong value, or an arm can't apply it."""
    settings = TrainingSettings(**level)
    if arm == HAND_MADE or isinstance(arm, Probe):
        if level:
            setting, value = next(iter(level.items()))
            raise ValueError(f"{setting}: {value!r}, but {name!r} is not trained by transfer: make a study without it")
    else:
        planned = adjust_phases(arm, backbone, n_train)
        settings.check_use(planned)
        check_target(planned, None)


def _check_shots(name, images, test, shots, seeds):
    """Raise ValueError if a set can't be split, or no class has that many training pictures."""
    for seed in seeds:
        n_largest = choose_split(images, seed, test)[1].counts.max()
        if shots[-1] > n_largest:
            given = f"{shots[-1]}, but with seed {seed} no class of {name!r} has more than {n_largest} for training"
            raise ValueError(f"shots: {given}: take fewer")


def _make_cell(place, name, arm_facts, level, shots, seed):
    """Return a `StudyCell`, whose key depends on all that determines its result, except for the version."""
    changed = {setting: value for setting, value in level.items() if value != getattr(TrainingSettings, setting)}
    _, network, _, images, _ = place
    facts = [network, images, arm_facts, changed, shots, seed]
    facts = json.loads(json.dumps(facts, default=str))  # keys of a dict, stages by number and name, become texts
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return StudyCell(key, *place, name, json.dumps(level), shots, seed)
