"""Claims of lesson 13: encoders against word counts, other languages, Latin letters, and sources."""

import dataclasses
import functools

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

import tlkit as tl
from tlkit.claims import Claim, measurement

N_TOKENS, N_FOLDS = 64, 5
KNOWN = {"English by minilm": ("en", "minilm"), "English": ("en", "use_multilingual")}
KNOWN |= {"French": ("fr", "use_multilingual"), "German": ("de", "use_multilingual")}
TERMS = {"words": {}, "parts of words": {"analyzer": "char_wb", "ngram_range": (2, 4)}}


@functools.cache
def load(language):
    return tl.load_texts("emoji", domain=language)


@functools.cache
def open_encoder(name):
    return tl.load_backbone(name, n_tokens=N_TOKENS)


@functools.cache
def extract(encoder, language, with_names=False):
    """Return the features of a language's texts, if wanted with the English name behind each."""
    given = texts = load(language)
    if with_names:
        names = [title.partition(" ")[2] for title in load("en").titles]
        given = [f"{texts.read(row)} {name}" for row, name in enumerate(names)]
    found = tl.extract_features(open_encoder(encoder), given, engine="torch", progress=False)
    return tl.Features(found.values, texts.labels, texts.classes, texts.names, texts.groups, found.provenance)


def weigh_words(train, test, terms):
    """Return the TF-IDF `Features` of both sides, with the terms of the first."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=10_000, **TERMS[terms])
    read = [[part.read(row) for row in range(len(part))] for part in (train, test)]
    values = vectorizer.fit_transform(read[0]).toarray(), vectorizer.transform(read[1]).toarray()
    return [
        tl.Features(value.astype(np.float32), part.labels, part.classes, part.names, part.groups, {})
        for value, part in zip(values, (train, test), strict=True)
    ]


def pick(features, part):
    return features[np.isin(features.names, part.names)]


def measure_lead(features, train, test, terms):
    """Return the accuracy of a probe minus that of TF-IDF."""
    words, tested = weigh_words(train, test, terms)
    probe = tl.fit_head(pick(features, train), "ridge").score(pick(features, test))
    return probe - tl.fit_head(words, "ridge").score(tested)


@measurement(
    {
        "language": list(KNOWN),
        "terms": list(TERMS),
        "few": [3, 5],
        "first_seed": [0, 10, 20],
    },
    n_replications=16,
    probe_leads_with_few_labels=Claim(
        "With three to five labels per class, a probe on an encoder that knows the language beats TF-IDF.", "helps"
    ),
    lead_over_words_shrinks=Claim(
        "With all labels, the lead of the probe over TF-IDF is smaller than with three to five.",
        "harms",
        effect="change of the difference in accuracy",
    ),
)
def weigh_labels(language, terms, few, first_seed):
    """The lead of a probe over TF-IDF with few labels and with all, over ten seeds."""
    texts, features = load(KNOWN[language][0]), extract(KNOWN[language][1], KNOWN[language][0])
    leads = []
    for seed in range(first_seed, first_seed + 10):
        whole, test = texts.split(test_fold=seed % N_FOLDS)
        for train in (whole.few(few, seed=seed), whole):
            if train is whole and seed >= first_seed + N_FOLDS:
                leads.append(leads[len(leads) - 2 * N_FOLDS])  # the same fold again
                continue
            leads.append(measure_lead(features, train, test, terms))
    few_labels, all_labels = np.array(leads).reshape(-1, 2).T
    return {"probe_leads_with_few_labels": few_labels, "lead_over_words_shrinks": all_labels - few_labels}


@measurement(
    {"language": list(KNOWN), "terms": list(TERMS), "split_seed": [0, 1, 2]},
    words_catch_up=Claim(
        "With all labels and ridge heads, TF-IDF is ahead of the probe, or at most two points behind.", (None, 0.02)
    ),
)
def weigh_all_labels(language, terms, split_seed):
    """The mean lead of a probe over TF-IDF with all labels, over five folds."""
    texts, features = load(KNOWN[language][0]), extract(KNOWN[language][1], KNOWN[language][0])
    leads = [measure_lead(features, *texts.split(test_fold=fold, seed=split_seed), terms) for fold in range(N_FOLDS)]
    return {"words_catch_up": float(np.mean(leads))}


def score(encoder, source, target, head, shots=0, *, centre=False, with_names=False, first_seed=0):
    """Return the accuracies (folds,) of heads that learn from one language and are tested on another."""
    known, tested = extract(encoder, source), extract(encoder, target, with_names)
    folds, scores = load(source).folds, []
    for seed in range(first_seed, first_seed + N_FOLDS):
        learned = folds != seed % N_FOLDS
        parts = [known, tested]
        if centre:
            parts = [
                dataclasses.replace(part, values=part.values - part.values[learned].mean(axis=0)) for part in parts
            ]
        train = load(source)[np.flatnonzero(learned)]
        train = train.few(shots, seed=seed) if shots else train
        scores.append(tl.fit_head(pick(parts[0], train), head).score(parts[1][~learned]))
    return np.array(scores)


@measurement(
    {"target": ["zh", "ja"], "head": ["ridge", "logistic"], "shots": [20, 40, 0], "first_seed": [0, 5]},
    n_replications=16,
    english_encoder_fails=Claim(
        "From English to Chinese or Japanese, the English encoder loses 30 points or more to the multilingual one.",
        (None, -0.3),
    ),
    means_help_english_encoder=Claim(
        "Subtracting each language's mean raises the accuracy of the English encoder on Chinese or Japanese.", "helps"
    ),
    latin_names_flatter=Claim(
        "English names behind Chinese or Japanese texts raise the English encoder's accuracy by ten points or more.",
        (0.1, None),
    ),
)
def cross_languages(target, head, shots, first_seed):
    """Learn from English and test on another language, over five folds."""
    settings = {"head": head, "shots": shots, "first_seed": first_seed}
    plain = score("minilm", "en", target, **settings)
    return {
        "english_encoder_fails": plain - score("use_multilingual", "en", target, **settings),
        "means_help_english_encoder": score("minilm", "en", target, centre=True, **settings) - plain,
        "latin_names_flatter": score("minilm", "en", target, with_names=True, **settings) - plain,
    }


@measurement(
    {"target": ["fr", "en"], "source": ["zh", "ja"], "shots": [5, 10, 20], "head": ["ridge", "logistic"]},
    n_replications=14,
    far_source_harms_english_encoder=Claim(
        "Chinese or Japanese texts, pooled with a few French or English ones, harm on the English encoder's features.",
        "harms",
    ),
    far_source_helps_multilingual=Claim(
        "On the features of the multilingual encoder, the same Chinese or Japanese texts help.", "helps"
    ),
)
def pool_sources(target, source, shots, head):
    """Pool all texts of one language with a few of another, over ten seeds."""
    gains = {}
    for encoder in ("minilm", "use_multilingual"):
        of_target, of_source, gains[encoder] = extract(encoder, target), extract(encoder, source), []
        for seed in range(10):
            train, test = load(target).split(test_fold=seed % N_FOLDS)
            few, tested = pick(of_target, train.few(shots, seed=seed)), pick(of_target, test)
            extra = of_source[load(source).folds != seed % N_FOLDS]
            joined = [np.concatenate([getattr(part, name) for part in (few, extra)]) for name in ("values", "labels")]
            names = [np.concatenate([getattr(part, name) for part in (few, extra)]) for name in ("names", "groups")]
            pooled = tl.Features(joined[0], joined[1], few.classes, *names, {})
            gains[encoder].append(tl.fit_head(pooled, head).score(tested) - tl.fit_head(few, head).score(tested))
    return {
        "far_source_harms_english_encoder": np.array(gains["minilm"]),
        "far_source_helps_multilingual": np.array(gains["use_multilingual"]),
    }
