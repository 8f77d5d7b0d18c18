"""Methods over pairs of domains: what is computed, what isn't looked at, and what intervals and regrets say."""

import collections
import dataclasses
import itertools
import sys
import types

import numpy as np
import pandas as pd
import pytest
from made_studies import make_study

import tlkit as tl
from tlkit.adaptation.adapt import adapt
from tlkit.adaptation.domain_inputs import split_pair, split_rows
from tlkit.adaptation.pair_comparison import compare_pairs
from tlkit.adaptation.pair_results import VALIDATORS, PairComparison, summarise_pairs
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.solved_objectives import Align
from tlkit.adaptation.trained_objectives import Mcc
from tlkit.adaptation.validators import score_entropy, score_mixed, score_source_accuracy

DOMAINS = ("here", "there", "yonder")


@pytest.fixture(scope="module")
def study():
    return make_study(DOMAINS, shared=("there", "yonder"))


@pytest.fixture(scope="module")
def compared(study):
    images, features = study
    return compare_pairs(features, images, ["align_mean", "coral"], seeds=2, progress=False)


def test_every_pair_method_and_seed_is_there(compared):
    runs = compared.runs
    assert len(runs) == 6 * 2 * 4
    assert set(zip(runs["source"], runs["target"], strict=True)) == set(itertools.permutations(DOMAINS, 2))
    assert runs["method"].drop_duplicates().tolist() == ["source_only", "align_mean", "coral", "oracle"]
    assert len(compared.predictions) == runs["n_test"].sum()
    methods = runs[runs["method"] != "oracle"]
    assert methods[list(VALIDATORS)].notna().all(axis=None)
    assert runs.loc[runs["method"] == "oracle", list(VALIDATORS)].isna().all(axis=None)
    assert compared.description["methods"]["coral"]["alignment"] == "coral"


@pytest.mark.slow
def test_scores_are_those_of_heads_made_by_hand(study, compared):
    images, features = study
    for seed in (0, 1):
        columns = images.labels, images.groups, images.domains, images.classes
        learned, adapted, tested = split_rows(*columns, "here", "there", seed=seed)
        values = features.values.astype(float)
        rows = compared.runs.query("source == 'here' and target == 'there' and seed == @seed").set_index("method")
        assert rows["n_source"].tolist() == [len(learned)] * 4
        for method, learns in (("source_only", learned), ("oracle", adapted)):
            weight, bias = solve_head(values[learns], images.labels[learns], 3)
            right = (values[tested] @ weight.T + bias).argmax(axis=1) == images.labels[tested]
            balanced = np.mean([right[images.labels[tested] == label].mean() for label in range(3)])
            assert rows.loc[method, "balanced_accuracy"] == pytest.approx(balanced)
            assert rows.loc[method, "accuracy"] == pytest.approx(right.mean())
        solved = Align("mean").fit(values[learned], images.labels[learned], values[adapted], 3, seed)
        said = solved.predict(values[adapted])
        assert rows.loc["align_mean", "entropy"] == pytest.approx(score_entropy(said))
        assert rows.loc["align_mean", "norm"] == pytest.approx(np.mean(said**4) ** 0.25)
        expected = score_mixed(solved.predict, values[adapted], seed=seed)
        assert rows.loc["align_mean", "mixed"] == expected
        back = Align("mean").fit(values[adapted], said.argmax(axis=1), values[learned], 3, seed)
        expected = score_source_accuracy(back.predict(values[learned]), images.labels[learned])
        assert rows.loc["align_mean", "circular"] == pytest.approx(expected)


@pytest.mark.slow
def test_labels_of_the_target_change_no_method(study):
    images, features = study
    rows = images.domains == "there"
    shuffled = images.labels.copy()
    # Within groups of equal class order, so that the split stays: two classes change names.
    shuffled[rows] = np.array([1, 0, 2])[shuffled[rows]]
    others = dataclasses.replace(images, labels=shuffled), dataclasses.replace(features, labels=shuffled)
    settings = {"methods": ["coral", "coral_self_training"], "domains": ["here", "there"], "seeds": 1}
    first, second = (
        compare_pairs(given[1], given[0], **settings, progress=False) for given in ((images, features), others)
    )
    keys = ["source", "target", "seed", "method"]
    said = [
        table.predictions[table.predictions["target"].eq("there") & table.predictions["method"].ne("oracle")]
        for table in (first, second)
    ]
    merged = said[0].merge(said[1], on=[*keys, "picture"])
    assert len(merged) > 40
    assert (merged["predicted_x"] == merged["predicted_y"]).all()
    assert (merged["label_x"] != merged["label_y"]).any()
    scores = [
        table.runs[table.runs["target"].eq("there") & table.runs["method"].ne("oracle")][list(VALIDATORS)].to_numpy()
        for table in (first, second)
    ]
    assert np.isfinite(scores[0]).all() and np.array_equal(*scores)


def test_a_hidden_label_is_held_out(study, monkeypatch):
    images, features = study
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Watched(Align):
        def fit(self, source_values, labels, target_values, n_classes, seed):
            seen.append(np.asarray(labels))
            return super().fit(source_values, labels, target_values, n_classes, seed)

    methods = {"watched": Watched("mean")}
    compare_pairs(features, images, methods, domains=["here", "there"], seeds=1, n_folds=3, progress=False)
    first = seen[:4]  # of one pair: all labels, and then a fold after the other hidden
    hidden = np.array([labels == -1 for labels in first[1:]])
    assert not (first[0] == -1).any()
    assert (hidden.sum(axis=0) == 1).all()
    groups = images.groups[images.domains == "here"]
    for fold in hidden:
        assert not set(groups[fold]) & set(groups[~fold])


def test_alignment_recovers_what_was_moved(compared):
    table = compared.table.set_index("method")
    assert table.loc["align_mean", "balanced_accuracy"] > table.loc["source_only", "balanced_accuracy"] + 0.2
    assert table.loc["align_mean", "gain_low"] > 0 and table.loc["align_mean", "verdict"] == "helps"
    assert table.loc["source_only", "gain"] == 0 and table.loc["source_only", "recovered"] == 0
    assert table.loc["oracle", "recovered"] == pytest.approx(1)
    for name in ("balanced_accuracy", "gain", "recovered"):
        assert (table[f"{name}_low"] <= table[name] + 1e-12).all() and (
            table[name] <= table[f"{name}_high"] + 1e-12
        ).all()


def test_means_are_over_pairs_and_seeds(compared):
    expected = compared.runs.groupby("method")["balanced_accuracy"].mean()
    for row in compared.table.itertuples():
        assert row.balanced_accuracy == pytest.approx(expected[row.method])
    assert compared.pairs.shape == (6, 4)
    cell = compared.runs.query("source == 'yonder' and target == 'here' and method == 'coral'")
    assert compared.pairs.loc["yonder → here", "coral"] == pytest.approx(cell["balanced_accuracy"].mean())


def slow_draws(runs, predictions, method, n_draws, seed):
    """Group and seed drawn, pictures copied one by one: the bootstrap's distribution, from draws of its own."""
    random = np.random.default_rng(seed)
    groups, seeds = predictions["group"].unique(), runs["seed"].unique()
    ours = predictions[predictions["method"] == method]
    cells = {}
    for key, cell in ours.groupby(["source", "target", "seed"]):
        right = (cell["label"] == cell["predicted"]).to_numpy()
        cells[key] = [
            (right[cell["label"] == label], cell.loc[cell["label"] == label, "group"]) for label in set(cell["label"])
        ]
    means = []
    for _ in range(n_draws):
        drawn, drawn_seeds = random.choice(groups, len(groups)), random.choice(seeds, len(seeds))
        counts = collections.Counter(drawn)
        scores = []
        for (_, _, run_seed), classes in cells.items():
            copies = [np.repeat(right, [counts[group] for group in of]) for right, of in classes]
            of_class = [right.mean() for right in copies if len(right)]
            scores += [np.mean(of_class)] * np.sum(drawn_seeds == run_seed) if of_class else []
        means.append(np.mean(scores))
    return means


def test_the_interval_is_that_of_a_slow_bootstrap(compared):
    drawn = slow_draws(compared.runs, compared.predictions, "source_only", 600, 0)
    row = summarise_pairs(compared.runs, compared.predictions, n_draws=2000).set_index("method").loc["source_only"]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert high - low > 0.02
    assert row["balanced_accuracy_low"] == pytest.approx(low, abs=0.1 * (high - low))
    assert row["balanced_accuracy_high"] == pytest.approx(high, abs=0.1 * (high - low))


def test_pairs_that_share_concepts_are_drawn_together():
    # Two domains with the same groups, right and wrong together: as wide as one, not narrower by the root of two.
    def tabulate(groups):
        rows = []
        for target, named in groups.items():
            for place, group in enumerate(named):
                for method in ("source_only", "oracle"):
                    right = place % 2 if method == "source_only" else 1
                    rows.append(("s", target, 0, method, f"{target}{place}", group, "a", "a" if right else "b"))
        columns = ["source", "target", "seed", "method", "picture", "group", "label", "predicted"]
        predictions = pd.DataFrame(rows, columns=columns)
        runs = predictions.groupby(["source", "target", "seed", "method"], sort=False).size().reset_index()
        runs["balanced_accuracy"], runs["alarm"] = 0.5, None
        row = summarise_pairs(runs, predictions).iloc[0]
        return row["balanced_accuracy_high"] - row["balanced_accuracy_low"]

    shared = tabulate({"t": [f"g{i}" for i in range(40)], "u": [f"g{i}" for i in range(40)]})
    apart = tabulate({"t": [f"t{i}" for i in range(40)], "u": [f"u{i}" for i in range(40)]})
    assert shared > 1.2 * apart


def test_the_regret_is_that_of_each_pairs_choice():
    runs = pd.DataFrame(
        {
            "source": "a",
            "target": ["b", "b", "b", "c", "c", "c"],
            "seed": 0,
            "method": ["source_only", "coral", "oracle"] * 2,
            "balanced_accuracy": [0.4, 0.5, 0.9, 0.6, 0.3, 0.9],
            "entropy": [-1.0, -2.0, np.nan, -1.0, -3.0, np.nan],
            "bnm": [0.1, 0.2, np.nan, 0.1, 0.2, np.nan],
        }
    )
    for validator in VALIDATORS:
        if validator not in runs:
            runs[validator] = np.nan
    table = PairComparison(runs, None, {}).regrets.set_index("validator")
    assert table.index.tolist() == ["entropy", "bnm"]
    assert table.loc["entropy", "regret"] == pytest.approx(0.05)
    assert table.loc["bnm", ["regret", "regret_worst", "chosen", "best"]].tolist() == pytest.approx(
        [0.15, 0.3, 0.4, 0.55]
    )


def test_without_folds_the_validators_of_the_source_are_missing(study):
    images, features = study
    pairs = [("here", "yonder"), ("there", "here")]
    compared = compare_pairs(features, images, [], pairs=pairs, seeds=[3], n_folds=0, progress=False)
    assert compared.pairs.index.tolist() == ["here → yonder", "there → here"]
    assert compared.runs["method"].unique().tolist() == ["source_only", "oracle"]
    assert "source_accuracy" not in compared.runs
    assert "source_accuracy" not in compared.regrets["validator"].tolist()
    assert compared.runs["seed"].unique().tolist() == [3]
    assert "2 pairs, 1 seeds" in repr(compared)
    assert "<table" in compared._repr_html_()


def test_what_does_not_fit_is_refused(study):
    images, features = study
    with pytest.raises(ValueError, match="methods: 'corall' is unknown; nearest: 'coral'"):
        compare_pairs(features, images, ["corall"], progress=False)
    with pytest.raises(TypeError, match="methods: 'mine' is 3, expected an objective"):
        compare_pairs(features, images, {"mine": 3}, progress=False)
    with pytest.raises(ValueError, match=r"domains: \['here'\], expected two or more"):
        compare_pairs(features, images, domains=["here"], progress=False)
    with pytest.raises(ValueError, match=r"domains: \['here', 'here'\], expected two or more, each once"):
        compare_pairs(features, images, domains=["here", "here"])
    with pytest.raises(ValueError, match=r"domains: .*, but pairs are given too: leave one of them out"):
        compare_pairs(features, images, domains=["here", "there"], pairs=[("here", "there")])
    with pytest.raises(ValueError, match="pairs: 'heer' is unknown; nearest: 'here'"):
        compare_pairs(features, images, pairs=[("heer", "there")])
    for pairs in ([("here", "there")] * 2, [("here", "here")], [("here",)], ["here"], []):
        with pytest.raises(ValueError, match=r"pairs: \[.*\], expected one or more of \(source, target\), each once"):
            compare_pairs(features, images, pairs=pairs)
    with pytest.raises(ValueError, match=r"backbone: Features of 10 pictures.*expected pooled ones of the 180 images"):
        compare_pairs(features[:10], images, progress=False)
    with pytest.raises(ValueError, match="seeds: 0, expected a whole number of at least 1"):
        compare_pairs(features, images, seeds=0, progress=False)


@pytest.mark.slow
def test_a_strategy_is_trained_on_the_split_that_the_heads_have():
    images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug", "tool"])
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    short = tl.Strategy([tl.Phase([-1, "head"], 1, 1e-3, objective=Mcc(1.0))], name="short")
    settings = {"pairs": [("photo", "sketch")], "seeds": [1], "progress": False}
    compared = compare_pairs(backbone, images, {"short": short, "moved": Align("mean")}, **settings)
    runs = compared.runs.set_index("method")
    assert runs.index.tolist() == ["source_only", "moved", "short", "oracle"]
    learned, adapted, tested = split_pair(images, "photo", "sketch", seed=1)
    run = adapt(backbone, learned, adapted, short, seed=1, progress=False)
    evaluation = run.evaluate(tested)
    assert runs.loc["short", "balanced_accuracy"] == evaluation.balanced_accuracy
    said = compared.predictions[compared.predictions["method"] == "short"]
    assert said["predicted"].tolist() == evaluation.predictions["predicted"].tolist()
    assert runs.loc["short", "entropy"] == pytest.approx(score_entropy(run.predict(adapted)))
    assert runs["source_accuracy"].notna().tolist() == [True, True, False, False]
    assert compared.description["methods"]["short"]["phases"][0]["objective"]["function"] == "Mcc"
    assert compared.table["method"].tolist() == runs.index.tolist()


def test_a_method_that_tunes_is_refused_where_there_are_features_only(study):
    images, features = study
    with pytest.raises(TypeError, match="methods: 'mcc' tunes a network, but there are features only"):
        compare_pairs(features, images, ["coral", "mcc"], seeds=1, progress=False)


def test_ctrl_c_keeps_the_splits_that_all_methods_have_finished(study):
    images, features = study
    n_fits = itertools.count(1)

    @dataclasses.dataclass(frozen=True)
    class Interrupted(Align):
        def fit(self, *arguments):
            if next(n_fits) == stop_at:
                raise KeyboardInterrupt
            return super().fit(*arguments)

    settings = {"pairs": [("here", "yonder"), ("there", "here")], "seeds": 2, "n_folds": 0, "progress": False}
    stop_at = 4  # of one per split
    with pytest.warns(UserWarning, match="interrupted; the 3 splits that all arms have finished are kept") as caught:
        compared = compare_pairs(features, images, {"slow": Interrupted("mean")}, **settings)
    assert caught[0].filename == __file__
    splits = [("here", "yonder", 0), ("here", "yonder", 1), ("there", "here", 0)]
    keys = ["source", "target", "seed", "method"]
    expected = [(*split, method) for split in splits for method in ("source_only", "slow", "oracle")]
    assert list(compared.runs[keys].itertuples(index=False, name=None)) == expected
    assert set(compared.predictions[keys].itertuples(index=False, name=None)) == set(expected)
    assert compared.table["method"].tolist() == ["source_only", "slow", "oracle"]
    n_fits, stop_at = itertools.count(1), 1
    with pytest.raises(KeyboardInterrupt):
        compare_pairs(features, images, {"slow": Interrupted("mean")}, **settings)


@pytest.mark.slow
def test_a_training_that_was_interrupted_is_no_result(monkeypatch):
    images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug", "tool"])
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    interrupted = types.SimpleNamespace(completed=False)
    monkeypatch.setattr(sys.modules["tlkit.adaptation.adapt"], "adapt", lambda *_, **__: interrupted)
    short = tl.Strategy([tl.Phase(["head"], 1, 1e-3)], name="short")
    with pytest.raises(KeyboardInterrupt):
        compare_pairs(backbone, images, {"short": short}, pairs=[("photo", "sketch")], seeds=1, progress=False)
