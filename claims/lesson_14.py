"""Claims of lesson 14: what flaws add to a score, what the score alone shows, and how far audits can be trusted."""

import functools

import numpy as np

from tlkit.claims import Claim, measurement

N_CASES, N_AUDITED, N_OTHERS, N_BEST = 5, 12, 20, 5


@functools.cache
def build(case, flaw):
    """Return the pipeline of a case, and the features of its pretrained network."""
    from tlkit.lessons.audits import specimens  # loads torch, which readers of the ledger don't need

    pipeline = specimens.build(case, flaw)
    features = pipeline.features()
    pipeline.networks.clear()  # heads need features only
    return pipeline, features


def vary(case, flaw, n_epochs, mirrored, with_source):
    """Return the pipeline of a case with other choices, from the same features."""
    from tlkit.lessons.audits import PRETRAINED

    pipeline, features = build(case, flaw)
    source = pipeline.given_source if with_source else pipeline.given_source[:0]
    features = features | {"source": features["source"][: len(source)]}
    features |= {} if mirrored else {"views": features["train"]}
    kind = type("Pipeline", (type(pipeline),), {"count_epochs": lambda self, arm: n_epochs})
    return kind(pipeline.seed, pipeline.pictures, source, {PRETRAINED: None}, {PRETRAINED: features})


def list_flawed(clean, copied):
    """Return {flaw: pipeline} of flaws that need no other features than the clean pipeline, and of copies."""
    from tlkit.lessons.audits import specimens

    steps = {"epoch_on_test": "choose_epoch", "swapped_metric": "score", "scaler_on_test": "scale"}
    flawed = {flaw: clean.repair(**{step: getattr(specimens.FLAWS[flaw].steps, step)}) for flaw, step in steps.items()}
    return flawed | {"near_duplicates": copied}


@measurement(
    {
        "first_case": [0, 5],
        "n_epochs": [15, 30, 60],
        "mirrored": [True, False],
        "with_source": [True, False],
        "first_seed": [0, 100],
    },
    n_replications=12,
    second_guess_flatters=Claim("Counting the second guess too raises the score by five points or more.", (0.05, None)),
    picked_seeds_flatter=Claim(
        "The five best of 32 seeds promise at least two points more than all 32 do.", (0.02, None)
    ),
    epoch_on_test_flatters=Claim("An epoch that is chosen by the test pictures raises the score.", "helps"),
    copies_flatter=Claim("Copies of half of the test pictures among the training pictures raise the score.", "helps"),
    scaling_changes_little=Claim(
        "Scaling features by the test pictures changes the score by less than five points.", (-0.05, 0.05)
    ),
    score_hides_flaws=Claim(
        "In fewer than 80 % of pairs a pipeline with one of these flaws scores higher than a clean one on other "
        "classes.",
        (None, 0.8),
        effect="share of pairs",
    ),
    clean_cases_pass=Claim(
        "The audits of scaling, epochs, metric and seeds pass every clean pipeline.",
        (None, 0),
        effect="number of exceeded limits",
    ),
    intervals_cover=Claim(
        "At least 70 % of the intervals from twelve seeds contain the mean effect over twenty other seeds.",
        (0.7, None),
        effect="share of intervals",
    ),
)
def plant_flaws(first_case, n_epochs, mirrored, with_source, first_seed):
    """What flaws add to the scores of five cases."""
    from tlkit.evaluation.intervals import t_interval
    from tlkit.lessons.audits import AUDITS

    seeds = range(10**7 + first_seed, 10**7 + first_seed + N_AUDITED + N_OTHERS)
    effects, clean_scores, flawed_scores, covered, n_exceeded = {}, [], [], [], 0
    for case in range(first_case, first_case + N_CASES):
        clean, copied = (vary(case, flaw, n_epochs, mirrored, with_source) for flaw in (None, "near_duplicates"))
        audits = [AUDITS[name] for name in ("scaling", "epochs", "metric", "seeds")]
        n_exceeded += sum(audit.look(clean) > audit.limit for audit in audits)
        honest = np.array([clean.run(seed).score for seed in seeds])
        best = np.sort(honest)[-N_BEST:].mean()
        clean_scores.append(honest.mean())
        flawed_scores.append(best)
        effects.setdefault("picked_seeds", []).append(best - honest.mean())
        for flaw, pipeline in list_flawed(clean, copied).items():
            scores = np.array([pipeline.run(seed).score for seed in seeds])
            low, high = t_interval((scores - honest)[:N_AUDITED])
            covered.append(low <= (scores - honest)[N_AUDITED:].mean() <= high)
            flawed_scores.append(scores.mean())
            effects.setdefault(flaw, []).append(scores.mean() - honest.mean())
    higher = np.array(flawed_scores).reshape(N_CASES, -1, 1) > clean_scores
    other = ~np.eye(N_CASES, dtype=bool)[:, None]
    return {
        "second_guess_flatters": np.array(effects["swapped_metric"]),
        "picked_seeds_flatter": np.array(effects["picked_seeds"]),
        "epoch_on_test_flatters": np.array(effects["epoch_on_test"]),
        "copies_flatter": np.array(effects["near_duplicates"]),
        "scaling_changes_little": np.array(effects["scaler_on_test"]),
        "score_hides_flaws": float(higher[np.broadcast_to(other, higher.shape)].mean()),
        "clean_cases_pass": float(n_exceeded),
        "intervals_cover": float(np.mean(covered)),
    }
