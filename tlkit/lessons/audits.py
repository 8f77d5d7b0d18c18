"""The audits of the sabotage lab: each calls a public function of tlkit on the data of a case, and has a price."""

import collections
import dataclasses
import functools
import importlib.util

import numpy as np
import torch

import tlkit as tl
from tlkit.course import find_course
from tlkit.evaluation.intervals import t_interval
from tlkit.inspection.random_weights import TRAINED, correlate_ranks

# The pipeline and its flaws are material of the course. They lie beside the lessons, outside of the package.
_SPEC = importlib.util.spec_from_file_location("specimens", find_course() / "cases" / "specimens.py")
specimens = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(specimens)
ARMS, PRETRAINED, RANDOM, Pipeline = specimens.ARMS, specimens.PRETRAINED, specimens.RANDOM, specimens.Pipeline

OTHER_SEEDS, MANY_SEEDS = range(10**6, 10**6 + 12), range(10**6, 10**6 + 40)  # far from all reported seeds
SCORE, GAIN, MAPS = "accuracy", "gain over random weights", "rank correlation of the heat maps"


# The statistic of `look(pipeline)` is at most `limit` in clean cases. `mend` returns the pipeline without the flaw, or
# names the step to renew.
Audit = collections.namedtuple("Audit", "cost statistic limit look mend quantity", defaults=[SCORE])


@functools.lru_cache(maxsize=1)
def _find_leaks(pipeline):
    """Return the `Leaks` and the pairs of pictures in different groups; two audits share them."""
    leaks = tl.inspection.find_leaks(pipeline.train, pipeline.test)
    return leaks, leaks.pairs[~leaks.pairs["same_group"]]


def _remove_copies(pipeline):
    """Return the pipeline without the copies in its training set."""
    is_copy = np.isin(pipeline.train.names, _find_leaks(pipeline)[1]["train"])
    return pipeline.with_sets(train=pipeline.train[~is_copy])


def _list_shares(pipeline):
    """Return the class shares of the training and test set."""
    return [images.counts / len(images) for images in (pipeline.train, pipeline.test)]


def _compare_shares(pipeline):
    """Return the total variation distance between the class shares of both sets."""
    return abs(np.subtract(*_list_shares(pipeline))).sum() / 2


def _weigh_classes(pipeline):
    """Return the pipeline with test classes weighted by their shares in training."""
    train, test = _list_shares(pipeline)
    weights = train / np.maximum(test, 1e-9)
    return pipeline.repair(score=lambda _, p, labels: np.average(p.argmax(axis=1) == labels, weights=weights[labels]))


@functools.lru_cache(maxsize=1)
def _find_suspects(pipeline):
    """Return the confident label errors of training, and how many are suggested for each class, per picture of it."""
    parts = [pipeline.as_features(part) for part in ("train", "test", "source")]
    names = ("values", "labels", "names", "groups")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    errors = tl.inspection.find_label_errors(dataclasses.replace(parts[0], **joined))
    errors = errors[errors["confident"] & errors["picture"].isin(pipeline.train.names)]
    counts = errors["suggested"].value_counts().reindex(pipeline.train.classes, fill_value=0)
    return errors, counts.to_numpy() / pipeline.train.counts


def _compare_suspects(pipeline):
    """Return how far the most suspicious class lies above the median one."""
    return np.ptp(np.percentile(_find_suspects(pipeline)[1], [50, 100]))


def _correct_labels(pipeline):
    """Give the suspects of the most suspicious class the labels that the published set has for them."""
    errors, shares = _find_suspects(pipeline)
    suspects = errors.loc[errors["suggested"] == pipeline.train.classes[shares.argmax()], "picture"]
    published = dict(zip(pipeline.pictures.names, pipeline.pictures.labels, strict=True))
    pairs = zip(pipeline.train.names, pipeline.train.labels, strict=True)
    labels = [published.get(name, label) if name in set(suspects) else label for name, label in pairs]
    return pipeline.with_sets(train=dataclasses.replace(pipeline.train, labels=labels))


def _count_moved(pipeline):
    """Return the number of modules that move in a training step though frozen."""
    network, pictures = pipeline.networks[PRETRAINED], pipeline.train
    batch = np.stack([network.preprocess(pictures.read(index)) for index in range(4)])
    return (~tl.audit_freezing(network, torch.from_numpy(batch))["ok"]).sum()


def _count_mismatches(pipeline):
    """Return in how many ways the preprocessing differs from that of the weights."""
    pictures, network = pipeline.train.few(3), pipeline.networks[PRETRAINED]
    batch = np.stack([network.preprocess(pictures.read(index)) for index in range(len(pictures))])
    right = tl.load_backbone("efficientnet_lite0", image_size_px=specimens.SIZE_PX)
    return len(tl.inspection.check_preprocessing([batch], right, pictures, n_seeds=2, progress=False).mismatches)


def _compare_features(pipeline):
    """Return the share of test pictures whose features differ from newly computed ones."""
    network = pipeline.networks[PRETRAINED]
    again = tl.extract_features(network, pipeline.test, engine="torch", cache=False, progress=False).values
    return np.mean(abs(again - pipeline.features()["test"]).max(axis=1) > 1e-3)


def _measure_damage(pipeline):
    """Return the accuracy that a head for plain pictures loses on augmented ones."""
    plain, views = (pipeline.as_features(part) for part in ("train", "views"))
    fitted = np.isin(plain.names, pipeline.train.split(n_folds=3, seed=1)[0].names)
    head = tl.fit_head(plain[fitted])
    return head.score(plain[~fitted]) - head.score(views[~fitted])


def _compare_seeds(pipeline):
    """Return by how many standard errors the reported mean lies above that of other seeds."""
    reported, others = ([pipeline.run(seed).score for seed in seeds] for seeds in (pipeline.seeds, MANY_SEEDS))
    spread = np.std(others, ddof=1) * np.sqrt(1 / specimens.N_REPORTED + 1 / len(others))
    return (np.mean(reported) - np.mean(others)) / max(spread, 1e-3)


def _compare_budgets(pipeline):
    """Return how many times as many epochs the pretrained network got as the baseline."""
    return pipeline.count_epochs(PRETRAINED) / pipeline.count_epochs(RANDOM)


def _count_epochs(pipeline):
    """Return the share of reported heads that held-out pictures would not have chosen."""
    trials = [pipeline.run(seed) for seed in pipeline.seeds]
    return np.mean([t.epoch != Pipeline.choose_epoch(pipeline, t.heads, t.held_out, None) for t in trials])


def _recompute_scores(pipeline):
    """Return the largest difference of a reported accuracy from the recomputed one."""
    trials = [pipeline.run(seed) for seed in pipeline.seeds]
    again = [tl.evaluation.evaluate_probabilities(trial.probabilities, pipeline.test).accuracy for trial in trials]
    return abs(np.subtract([trial.score for trial in trials], again)).max()


@functools.lru_cache(maxsize=1)
def _compare_maps(pipeline):
    """Return the rank correlation of each reported heat map with that of the run, minus 1."""
    run, pictures = pipeline.fit_run()
    cam = {"Grad-CAM": tl.inspection.grad_cam}
    study = tl.inspection.study_heat_maps(run, pictures, cam, depths=[TRAINED], progress=False)
    correlations = map(correlate_ranks, pipeline.explain(run, pictures), study.maps["Grad-CAM"][0])
    return np.array([correlation - 1 for correlation in correlations if np.isfinite(correlation)])


def _measure_harm(pipeline):
    """Return the lower end of the interval of the accuracy that the source costs."""
    return -t_interval(measure_effect(AUDITS["source"], pipeline, OTHER_SEEDS))[1]


AUDITS = {
    "scaling": Audit(1, "largest scaled mean", 0.01, lambda p: abs(p.run(p.seeds[0]).scaled.mean(0)).max(), "scale"),
    "budgets": Audit(1, "ratio of the epochs of both arms", 1, _compare_budgets, "count_epochs", GAIN),
    "epochs": Audit(1, "share of heads not from the best held-out epoch", 0, _count_epochs, "choose_epoch"),
    "metric": Audit(1, "largest difference from the recomputed accuracy", 1e-9, _recompute_scores, "score"),
    "shares": Audit(1, "distance between the class shares of both sets", 0.27, _compare_shares, _weigh_classes),
    "freezing": Audit(2, "number of frozen modules that move", 0, _count_moved, "load_network"),
    "preprocessing": Audit(2, "number of mismatches with the recipe", 0, _count_mismatches, "load_network"),
    "cache": Audit(2, "share of pictures with other features than new ones", 0, _compare_features, "extract"),
    "groups": Audit(2, "number of groups in both sets", 0, lambda p: len(_find_leaks(p)[0].groups), "split"),
    "copies": Audit(2, "near duplicates of other groups", 10, lambda p: len(_find_leaks(p)[1]), _remove_copies),
    "heat_maps": Audit(2, "lost correlation", 0.01, lambda p: -np.mean(_compare_maps(p)), "explain", MAPS),
    "views": Audit(2, "accuracy lost on augmented pictures", 0.3, _measure_damage, "augment"),
    "labels": Audit(3, "suspects of a class, above the median class", 0.5, _compare_suspects, _correct_labels),
    "source": Audit(4, "accuracy that the source costs", 0, _measure_harm, lambda p: p.with_sets(source=p.source[:0])),
    "seeds": Audit(4, "standard errors above other seeds", 2.7, _compare_seeds, None),
}


def measure_effect(audit, pipeline, seeds, mended=None):
    """Return what the flaw changes, (n_seeds,) differences between the pipeline and the mended one."""
    if audit.quantity == MAPS:
        return _compare_maps(pipeline)
    if audit.mend is None:
        reported = np.mean([pipeline.run(seed).score for seed in pipeline.seeds])
        return reported - np.array([pipeline.run(seed).score for seed in seeds])
    if isinstance(audit.mend, str):
        mended = pipeline.repair(**{audit.mend: getattr(Pipeline, audit.mend)})
    mended = mended or audit.mend(pipeline)
    arms = ARMS if audit.quantity == GAIN else (PRETRAINED,)
    changes = [[pipeline.run(seed, arm).score - mended.run(seed, arm).score for seed in seeds] for arm in arms]
    return np.subtract(*changes) if audit.quantity == GAIN else np.array(changes[0])
