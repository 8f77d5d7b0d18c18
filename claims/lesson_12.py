"""Claims of lesson 12: which scores order candidate networks as their measured accuracy does."""

import functools

import numpy as np
from scipy.stats import kendalltau

import tlkit as tl
from tlkit.claims import Claim, measurement

NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
SIZES_PX = (64, 128)
CUTS = {"three": ("stage5", "stage6", None), "two": ("stage6", None)}
N_FOLDS, N_BOOTSTRAP_SAMPLES = 5, 300


@functools.cache
def load(domain):
    return tl.load_images("styles", domain=domain)


@functools.cache
def find_candidate(network, cut, image_size_px):
    return tl.selection.Candidate(tl.load_backbone(network), cut, image_size_px)


@functools.cache
def extract(domain, network, cut, image_size_px):
    return find_candidate(network, cut, image_size_px).extract(load(domain), progress=False)


@functools.cache
def predict(domain, network, image_size_px):
    """Return the predictions of a whole network's own classes."""
    backbone = find_candidate(network, None, image_size_px).build()
    return tl.selection.predict_source(backbone, load(domain), progress=False)


def score_logme_with_slip(values, labels):
    """Return LogME as in the authors' code, which leaves out the directions without any variance."""
    left, singular, _ = np.linalg.svd(values.astype(float), full_matrices=False)
    (n, d), power, y = values.shape, singular[:, None] ** 2, np.eye(labels.max() + 1)[labels]
    along, alpha, beta = (left.T @ y) ** 2, 1, 1
    for _ in range(100):
        used = beta * power / (alpha + beta * power)
        weights = (used**2 * along / power).sum(axis=0)
        noise = y.sum(axis=0) - along.sum(axis=0) + ((1 - used) ** 2 * along).sum(axis=0)
        noise = np.maximum(noise, 1e-10 * y.sum(axis=0))
        alpha, beta = used.sum(axis=0) / weights, (n - used.sum(axis=0)) / noise
    volume = d * np.log(alpha) + n * np.log(beta / 2 / np.pi) - np.log(alpha + beta * power).sum(axis=0)
    return ((volume - beta * noise - alpha * weights) / 2 / n).mean()


def measure_accuracy(features, images, shots, first_fold_seed, head):
    """Return the mean accuracy of a head over five folds."""
    accuracies = []
    for fold in range(N_FOLDS):
        train, test = images.split(test_fold=fold)
        train = train.few(shots, seed=first_fold_seed + fold) if shots else train
        fitted, tested = (features[np.isin(features.names, side.names)] for side in (train, test))
        accuracies.append(tl.fit_head(fitted, head).score(tested))
    return np.mean(accuracies)


def correlate(*columns):
    """Return Kendall's tau of each column of scores with the last one, the accuracy."""
    return np.array([kendalltau(column, columns[-1], method="asymptotic").statistic for column in columns[:-1]])


@measurement(
    {
        "domain": ["clipart", "sketch", "emoji", "photo"],
        "shots": [10, 20, 0],
        "head": ["logistic", "ridge"],
        "cuts": ["three", "two"],
        "first_fold_seed": [0, 5],
    },
    n_replications=16,
    logme_orders_candidates=Claim("LogME orders the candidates better than chance.", (0, None), effect="Kendall's tau"),
    slip_inflates=Claim(
        "With fewer pictures than features, the authors' code gives whole networks a LogME that is too high by 1 at "
        "least.",
        (1, None),
        effect="difference in LogME",
        ignores=["head", "cuts"],
    ),
    knn_against_logme=Claim(
        "Twelve or eighteen candidates can't tell whether nearest neighbours order them better than LogME.",
        "can't tell",
        effect="difference in Kendall's tau",
    ),
    six_candidates_say_little=Claim(
        "With six candidates, the interval of LEEP's tau is wider than 0.5.",
        (0.5, None),
        effect="width of the interval",
        ignores=["cuts"],
    ),
)
def judge_scores(domain, shots, head, cuts, first_fold_seed):
    """Kendall's tau of scores and measured accuracy."""
    images = load(domain)
    scored = images.few(shots, seed=first_fold_seed) if shots else images
    rows, excess = [], []
    for image_size_px in SIZES_PX:
        for cut in CUTS[cuts]:
            for network in NETWORKS:
                features = extract(domain, network, cut, image_size_px)
                rows_scored = np.isin(features.names, scored.names)
                part = features[rows_scored]
                values, labels = part.values, np.unique(part.labels, return_inverse=True)[1]
                logme, slip = tl.selection.score_logme(values, labels), score_logme_with_slip(values, labels)
                leep = np.nan
                if cut is None:
                    excess.append(slip - logme)
                    leep = tl.selection.score_leep(predict(domain, network, image_size_px)[rows_scored], labels)
                knn = tl.selection.score_knn(values, labels, part.groups)
                accuracy = measure_accuracy(features, images, shots, first_fold_seed, head)
                rows.append((knn, logme, leep, accuracy))
    columns = np.array(rows).T
    scores, leep, accuracy = columns[:2], columns[2], columns[3]
    random = np.random.default_rng(0)

    def draw(n):
        return [random.integers(0, n, n) for _ in range(N_BOOTSTRAP_SAMPLES)]

    taus = correlate(*scores, accuracy)
    drawn = np.array([correlate(*scores[:, rows], accuracy[rows]) for rows in draw(len(accuracy))])

    def summarise(tau, samples):
        return (tau, *np.nanpercentile(samples, [2.5, 97.5]))

    whole = np.isfinite(leep)
    of_leep = [correlate(leep[whole][rows], accuracy[whole][rows])[0] for rows in draw(whole.sum())]
    low, high = np.nanpercentile(of_leep, [2.5, 97.5])
    return {
        "logme_orders_candidates": summarise(taus[1], drawn[:, 1]),
        "slip_inflates": float(min(excess)),
        "knn_against_logme": summarise(taus[0] - taus[1], drawn[:, 0] - drawn[:, 1]),
        "six_candidates_say_little": high - low,
    }


@measurement(
    {
        "domain": ["clipart", "sketch", "emoji", "photo"],
        "network": NETWORKS,
        "cut": ["stage5", "stage6"],
        "image_size_px": SIZES_PX,
    },
    slip_is_silent=Claim(
        "With more pictures than features, LogME by the authors' code equals LogME by its formula.",
        (-1e-3, 1e-3),
        effect="difference in LogME",
    ),
)
def compare_formulas(domain, network, cut, image_size_px):
    """LogME by the authors' code minus LogME by its formula."""
    features = extract(domain, network, cut, image_size_px)
    values, labels = features.values, np.unique(features.labels, return_inverse=True)[1]
    return {"slip_is_silent": score_logme_with_slip(values, labels) - tl.selection.score_logme(values, labels)}
