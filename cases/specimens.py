"""The exhibits of the sabotage lab: a small pipeline, and its flaws, each of which replaces one step.

This is material that students read: a case shows the source of its steps.
"""

import copy
import dataclasses
import functools
import inspect
import io
import textwrap

import numpy as np
import torch
from PIL import Image, ImageOps
from scipy.special import softmax

import tlkit as tl
from tlkit.images.files import PicturePixels
from tlkit.images.splits import draw_shots

SIZE_PX = 96
N_SHOTS, N_FOLDS, N_REPORTED, N_MAPS = 8, 3, 5, 24
N_CLASSES, N_PER_CLASS, N_SOURCE = 5, 30, 10
PRETRAINED, RANDOM = "pretrained", "random weights"
ARMS = (PRETRAINED, RANDOM)
# In the order in which they run. The collection of the pictures is no part of the code that a case shows.
STEPS = (
    *("split", "load_network", "extract", "augment", "choose_seeds", "count_epochs"),
    *("scale", "fit", "choose_epoch", "score", "explain"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """One head of one arm and seed, with its predictions for the test pictures."""

    heads: list  # (weights, bias) after each epoch
    epoch: int  # the chosen one, from 0
    held_out: tuple  # scaled features and labels of pictures that it wasn't fitted on
    scaled: np.ndarray  # (n, n_features) training features as the head got them
    probabilities: np.ndarray  # (n_test, n_classes)
    score: float


@functools.cache
def load_random():
    """Return the network of the baseline."""
    return tl.load_backbone(weights=None, image_size_px=SIZE_PX)


class Pipeline:
    """All steps without a flaw; `seed` draws the split and the reported seeds."""

    def __init__(self, seed, pictures, source, networks=None, features=None):
        self.seed, self.pictures, self.given_source = seed, pictures, source
        self.train, self.test, self.source = self.collect(*self.split(pictures), source)
        self.networks = networks or {PRETRAINED: self.load_network(self.train), RANDOM: load_random()}
        self._features, self._trials = {} if features is None else features, {}
        self.seeds = self.choose_seeds()

    def repair(self, **steps):
        """Return the pipeline, run again on the same pictures with some steps replaced."""
        networks = None if steps.keys() & {"split", "load_network"} else self.networks
        features = None if steps.keys() & {"split", "load_network", "collect", "extract", "augment"} else self._features
        kind = type("Pipeline", (type(self),), steps)
        return kind(self.seed, self.pictures, self.given_source, networks, features)

    def collect(self, train, test, source):
        return train, test, source

    def split(self, pictures):
        # Pictures of one group, such as variants of a drawing, stay on one side.
        return pictures.split(n_folds=N_FOLDS, seed=1 + self.seed)

    def load_network(self, pictures):
        return tl.freeze(tl.load_backbone("efficientnet_lite0", image_size_px=SIZE_PX))

    def extract(self, network, pictures):
        return tl.extract_features(network, pictures, engine="torch", progress=False).values

    def augment(self, picture):
        return ImageOps.mirror(picture)

    def choose_seeds(self):
        return [N_REPORTED * self.seed + place for place in range(N_REPORTED)]

    def count_epochs(self, arm):
        return 30

    def scale(self, train, held_out, test):
        centre, spread = train.mean(axis=0), train.std(axis=0) + 0.1
        return [(values - centre) / spread for values in (train, held_out, test)]

    def fit(self, values, labels, n_epochs, random):
        # Softmax regression by stochastic gradient descent; the head after each epoch is kept.
        targets, heads = np.eye(labels.max() + 1, dtype=np.float32)[labels], []
        weights, bias = (
            np.zeros((values.shape[1], targets.shape[1]), np.float32),
            np.zeros(targets.shape[1], np.float32),
        )
        for _ in range(n_epochs):
            for rows in np.array_split(random.permutation(len(values)), len(values) // 16):
                error = (softmax(values[rows] @ weights + bias, axis=1) - targets[rows]) / len(rows)
                weights, bias = weights - 0.02 * (values[rows].T @ error), bias - 0.02 * error.sum(axis=0)
            heads.append((weights, bias))
        return heads

    def choose_epoch(self, heads, held_out, test):
        return int(np.argmax([self.measure(head, *held_out) for head in heads]))

    def score(self, probabilities, labels):
        return np.mean(probabilities.argmax(axis=1) == labels)

    def explain(self, run, pictures):
        return tl.inspection.grad_cam(run, pictures)

    def measure(self, head, values, labels):
        """Return the accuracy of a head, for choosing an epoch."""
        weights, bias = head
        return np.mean((values @ weights + bias).argmax(axis=1) == labels)

    def with_sets(self, train=None, source=None):
        """Return the pipeline, run again with another training set or source."""
        train, source = self.train if train is None else train, self.source if source is None else source
        return self.repair(collect=lambda *_: (train, self.test, source))

    def features(self, arm=PRETRAINED):
        """Return {"train", "views", "test", "source": features} of an arm."""
        if arm not in self._features:
            views = [self.augment(self.train.read(index)) for index in range(len(self.train))]
            parts = {"train": self.train, "views": views, "test": self.test, "source": self.source}
            network = self.networks[arm]
            self._features[arm] = {
                name: self.extract(network, part) if len(part) else np.empty((0, network.n_features), np.float32)
                for name, part in parts.items()
            }
        return self._features[arm]

    def as_features(self, part):
        """Return the `Features` of a part for the pretrained arm."""
        images = self.train if part == "views" else getattr(self, part)
        columns = images.labels, images.classes, images.names, images.groups
        return tl.Features(
            self.features()[part], *columns, {"backbone": self.networks[PRETRAINED].name, "engine": "torch"}
        )

    def run(self, seed, arm=PRETRAINED):
        """Return the `Trial` of a seed and an arm."""
        if (arm, seed) not in self._trials:
            values, train = self.features(arm), self.train
            columns = train.labels, train.groups, train.names, train.classes
            rows = draw_shots(*columns, shots=N_SHOTS, seed=seed)
            rest = ~np.isin(train.groups, train.groups[rows])
            fitted = np.concatenate([values["train"][rows], values["views"][rows], values["source"]])
            labels = np.concatenate([train.labels[rows], train.labels[rows], self.source.labels])
            scaled, held_out, test = self.scale(fitted, values["train"][rest], values["test"])
            heads = self.fit(scaled, labels, self.count_epochs(arm), np.random.default_rng(seed))
            held_out, tested = (held_out, train.labels[rest]), (test, self.test.labels)
            epoch = self.choose_epoch(heads, held_out, tested)
            probabilities = softmax(test @ heads[epoch][0] + heads[epoch][1], axis=1)
            score = float(self.score(probabilities, self.test.labels))
            self._trials[arm, seed] = Trial(heads, epoch, held_out, scaled, probabilities, score)
        return self._trials[arm, seed]

    def fit_run(self):
        """Return a `Run` of the pipeline's network for heat maps, and test pictures to explain."""
        strategy = tl.Strategy([tl.Phase(["head"], 4, 1e-2)], name="head")
        run = tl.transfer(self.networks[PRETRAINED], self.train.few(5), strategy, progress=False)
        return run, self.test[:: max(1, len(self.test) // N_MAPS)][:N_MAPS]

    def read_code(self):
        """Return the source of the steps that run."""
        return "\n".join(textwrap.dedent(inspect.getsource(getattr(type(self), step))) for step in STEPS)


# Each class holds one step, under the name that it has in `Pipeline`; `read_code` shows its lines.
class SplitByPicture:
    def split(self, pictures):
        is_test = np.arange(len(pictures)) % N_FOLDS == self.seed % N_FOLDS
        return pictures[~is_test], pictures[is_test]


class WithCopies:
    def collect(self, train, test, source):
        rows = np.random.default_rng(self.seed).permutation(len(test))[: len(test) // 2]
        copies, pixels = test[np.sort(rows)], []
        for index in range(len(copies)):
            picture, file = copies.read(index), io.BytesIO()
            picture.resize([side * 9 // 10 for side in picture.size]).save(file, "jpeg", quality=60)
            pixels.append(PicturePixels(Image.open(file), f"found/{index}.jpg"))
        names = [picture.location for picture in pixels]
        found = dataclasses.replace(copies, pictures=pixels, names=names, groups=names, folds=[-1] * len(names))
        return train + found, test, source


class FewOfSomeClasses:
    def collect(self, train, test, source):
        rare = np.random.default_rng(self.seed).permutation(len(test.classes))[:3]
        place = np.array([np.sum(test.labels[:row] == label) for row, label in enumerate(test.labels)])
        return train, test[~np.isin(test.labels, rare) | (place < 2)], source


class Relabelled:
    def collect(self, train, test, source):
        random, labels = np.random.default_rng(self.seed), train.labels.copy()
        label = random.integers(len(train.classes))
        rows = np.flatnonzero(labels == label)
        rows = random.permutation(rows)[: len(rows) * 7 // 10]
        labels[rows] = (label + random.integers(1, len(train.classes), len(rows))) % len(train.classes)
        return dataclasses.replace(train, labels=labels), test, source


class SourceInAnotherOrder:
    def collect(self, train, test, source):
        return train, test, dataclasses.replace(source, labels=(source.labels + 1) % len(source.classes))


class PartlyFrozen:
    def load_network(self, pictures):
        network = tl.load_backbone("efficientnet_lite0", image_size_px=SIZE_PX)
        for parameter in network.parameters():
            parameter.requires_grad = False
        network.train()
        batch = np.stack([network.preprocess(pictures.read(index)) for index in range(len(pictures))])
        with torch.no_grad():
            for _ in range(3):
                for part in torch.from_numpy(batch).split(4):
                    network(part)
        return network.eval()


class OtherRecipe:
    def load_network(self, pictures):
        recipe = tl.backbones.make_recipe(SIZE_PX, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        return tl.freeze(tl.load_backbone("efficientnet_lite0", recipe=recipe))


class OldCache:
    def extract(self, network, pictures):
        values = tl.extract_features(network, pictures, engine="torch", progress=False).values
        # Every second picture was in the cache of the first try.
        first_try = tl.load_backbone(network.name, image_size_px=SIZE_PX // 3)
        values[::2] = tl.extract_features(first_try, pictures, engine="torch", progress=False).values[::2]
        return values


class SmallCrops:
    def augment(self, picture):
        width, height = picture.size
        return picture.crop((0, 0, width // 6, height // 6)).resize((width, height))


class BestSeeds:
    def choose_seeds(self):
        tried = range(N_REPORTED * self.seed, N_REPORTED * self.seed + 60)
        return sorted(tried, key=lambda seed: self.run(seed).score)[-N_REPORTED:]


class ShortBaseline:
    def count_epochs(self, arm):
        return 30 if arm == PRETRAINED else 1


class ScaleTogether:
    def scale(self, train, held_out, test):
        centre, spread = test.mean(axis=0), test.std(axis=0) + 0.1
        return [(values - centre) / spread for values in (train, held_out, test)]


class BestEpoch:
    def choose_epoch(self, heads, held_out, test):
        return int(np.argmax([self.measure(head, *test) for head in heads]))


class TwoGuesses:
    def score(self, probabilities, labels):
        return np.mean((np.argsort(-probabilities, axis=1)[:, :2] == labels[:, None]).any(axis=1))


class OtherHead:
    def explain(self, run, pictures):
        head = copy.deepcopy(run.head)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(self.seed))
        return tl.inspection.grad_cam(dataclasses.replace(run, head=head), pictures)


@dataclasses.dataclass(frozen=True)
class Flaw:
    """A flaw: a sentence, the class with the step that it replaces, and the audit that reveals it."""

    sentence: str
    steps: type
    audit: str


FLAWS = {
    "scaler_on_test": Flaw(
        "Features are scaled by the mean and spread of the test pictures.", ScaleTogether, "scaling"
    ),
    "unequal_budgets": Flaw("The baseline is trained for fewer epochs.", ShortBaseline, "budgets"),
    "epoch_on_test": Flaw("The epoch is chosen by the test accuracy.", BestEpoch, "epochs"),
    "swapped_metric": Flaw("The reported number isn't the accuracy.", TwoGuesses, "metric"),
    "label_shift": Flaw("Some classes are rarer in the test set than in training.", FewOfSomeClasses, "shares"),
    "thawed_norms": Flaw("The statistics of frozen norm layers moved.", PartlyFrozen, "freezing"),
    "wrong_recipe": Flaw("Pictures aren't preprocessed as the weights require.", OtherRecipe, "preprocessing"),
    "stale_cache": Flaw("Some features are left from an earlier try.", OldCache, "cache"),
    "straddling_groups": Flaw("Variants of one drawing are in both sets.", SplitByPicture, "groups"),
    "near_duplicates": Flaw("Copies of test pictures are in the training set.", WithCopies, "copies"),
    "random_heat_maps": Flaw("The heat maps explain a random head.", OtherHead, "heat_maps"),
    "destroyed_labels": Flaw("Augmented pictures no longer show their class.", SmallCrops, "views"),
    "permuted_labels": Flaw("Most pictures of one class have labels of others.", Relabelled, "labels"),
    "harmful_source": Flaw("The source pictures lower the accuracy.", SourceInAnotherOrder, "source"),
    "picked_seeds": Flaw("The reported seeds are the best of many.", BestSeeds, "seeds"),
}


def build(seed, flaw):
    """Return the pipeline of a seed with a flaw, or with none if that is None."""
    random = np.random.default_rng(seed)
    clipart, emoji = (tl.load_images("styles", domain=domain) for domain in ("clipart", "emoji"))
    large = [name for name, count in zip(clipart.classes, clipart.counts, strict=True) if count >= N_PER_CLASS]
    classes = sorted(random.choice(large, N_CLASSES, replace=False).tolist())
    pictures = clipart.select(classes=classes).with_classes(classes)
    # Drawings with variants come first, and variants stay together, so that a split by picture separates them.
    _, groups, sizes = np.unique(pictures.groups, return_inverse=True, return_counts=True)
    order = np.lexsort((random.random(len(sizes))[groups], sizes[groups] < 2))
    chosen = [order[pictures.labels[order] == label][:N_PER_CLASS] for label in range(N_CLASSES)]
    pictures = pictures[np.sort(np.concatenate(chosen))]
    source = emoji.select(classes=classes).with_classes(classes).disjoint_from(pictures).few(N_SOURCE, seed=seed)
    steps = (FLAWS[flaw].steps,) if flaw else ()
    return type("Pipeline", (*steps, Pipeline), {})(seed, pictures, source)
