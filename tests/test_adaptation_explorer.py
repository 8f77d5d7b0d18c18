"""The adaptation explorer and what it reads: scores against compare_pairs, words, cache, controls, failures."""

import dataclasses
import math

import numpy as np
import pytest
from made_drawings import count_drawings
from made_studies import make_study

from tlkit.adaptation import compare_pairs
from tlkit.adaptation.solved_methods import METHODS
from tlkit.adaptation.solved_objectives import Align
from tlkit.summaries import adaptation as summary_module
from tlkit.summaries.adaptation import AdaptationChoice, AdaptationResults, summarise_adaptation
from tlkit.widgets import AdaptationExplorer

DOMAINS = ("here", "there", "yonder")
NAMES = ["align_mean", "coral"]


@pytest.fixture(scope="module")
def study():
    return make_study(DOMAINS)


@pytest.fixture
def explorer(study):
    images, features = study
    return AdaptationExplorer(features, images, methods=NAMES)


@dataclasses.dataclass(frozen=True)
class Counting:
    """Align the means, and count."""

    calls: list

    def fit(self, *arguments):
        self.calls.append(1)
        return Align("mean").fit(*arguments)


def read(study, source, target, method, **methods):
    images, features = study
    return summarise_adaptation(
        AdaptationResults(features, images, methods=methods or None), AdaptationChoice(source, target, method)
    )


@pytest.mark.parametrize("method", NAMES)
def test_scores_are_those_of_a_comparison(study, method):
    images, features = study
    compared = compare_pairs(features, images, NAMES, seeds=[3], n_folds=0, progress=False)
    summary = summarise_adaptation(
        AdaptationResults(features, images, methods=NAMES, seed=3), AdaptationChoice("yonder", "here", method)
    )
    rows = compared.runs.query("source == 'yonder' and target == 'here'").set_index("method")["balanced_accuracy"]
    assert summary.accuracy == pytest.approx(rows[method])
    assert summary.gain == pytest.approx(rows[method] - rows["source_only"])
    assert summary.oracle == pytest.approx(rows["oracle"])
    assert summary.recovered == pytest.approx(summary.gain / (rows["oracle"] - rows["source_only"]))
    pictures = compared.predictions.query("source == 'yonder' and target == 'here'")
    for column, name in (("source_only", "source_only"), ("method", method)):
        own = pictures[pictures["method"] == name]
        right = (own["label"] == own["predicted"]).groupby(own["label"])
        assert summary.recalls.set_index("class")[column].to_dict() == pytest.approx(right.mean().to_dict())
        assert summary.recalls.set_index("class")["n"].to_dict() == right.size().to_dict()


def test_the_maps_are_of_the_source_as_it_came_and_as_the_method_brought_it(study):
    images, features = study
    adaptations = AdaptationResults(features, images, methods=NAMES)
    learned, adapted, _tested = adaptations.split("here", "there")
    summary = summarise_adaptation(adaptations, AdaptationChoice("here", "there", "coral"))
    solved = METHODS["coral"].fit(learned.values, learned.labels, adapted.values, 3, 0)
    assert summary.before.source == pytest.approx(summary.before.project(learned.values))
    assert summary.after.source == pytest.approx(summary.before.project(solved.source))
    assert np.array_equal(summary.after.target, summary.before.target)
    unmoved = summarise_adaptation(adaptations, AdaptationChoice("here", "there"))
    assert unmoved.after.source == pytest.approx(unmoved.before.source)


def test_the_words_say_accuracy_gain_share_of_the_gap_loser_and_alarm(study):
    summary = read(study, "here", "there", "coral")
    changes = summary.recalls.assign(change=summary.recalls["method"] - summary.recalls["source_only"])
    loser = changes.loc[changes["change"].idxmin()]
    lost = "No class loses."
    if loser["change"] < 0:
        change = f"{loser['source_only']:.2f} → {loser['method']:.2f}"
        lost = f"{loser['class']} loses most recall, {change} on {loser['n']} pictures."
    assert summary.sentence == (
        f"here → there, coral: balanced accuracy {summary.accuracy:.2f}, {summary.gain:+.2f} against source only; "
        f"{summary.recovered:.0%}".replace("%", " %")
        + f" of the gap recovered, the target's labels give "
        f"{summary.oracle:.2f}. {lost} No alarm."
    )
    baseline = read(study, "here", "there", "source_only")
    assert baseline.gain == 0
    assert (
        f"balanced accuracy {baseline.accuracy:.2f}; the target's labels give {baseline.oracle:.2f}."
        in baseline.sentence
    )
    assert "against source only" not in baseline.sentence


def test_the_class_that_loses_most_is_named(study):
    summary = read(study, "here", "there", "coral")
    recalls = summary.recalls.assign(source_only=[0.5, 1.0, 0.25], method=[0.75, 0.25, 0.0], n=[4, 8, 4])
    changed = dataclasses.replace(summary, recalls=recalls)
    assert "class1 loses most recall, 1.00 → 0.25 on 8 pictures." in changed.sentence
    assert "No class loses." in dataclasses.replace(summary, recalls=recalls.assign(method=1.0)).sentence


def test_without_a_gap_no_share_of_it_is_told():
    images, features = make_study(DOMAINS, moved=0.0, apart=20.0)
    summary = read((images, features), "here", "there", "align_mean")
    assert math.isnan(summary.recovered)
    assert f"; no gap to recover, the target's labels give {summary.oracle:.2f}." in summary.sentence


def test_a_method_that_harms_is_said_to_widen_the_gap(study):
    summary = dataclasses.replace(read(study, "here", "there", "coral"), recovered=-0.172)
    assert f"; a gap 17 % wider, the target's labels give {summary.oracle:.2f}." in summary.sentence


@dataclasses.dataclass(frozen=True)
class OneClass:
    """Say class 1 of every picture."""

    def fit(self, source_values, labels, target_values, n_classes, seed):
        solved = Align("none").fit(source_values, labels, target_values, n_classes, seed)
        bias = np.where(np.arange(n_classes) == 1, 1e6, solved.bias)
        return solved._replace(bias=bias)


def test_a_collapse_is_said_with_the_name_of_the_class(study):
    summary = read(study, "here", "there", "stubborn", stubborn=OneClass())
    assert summary.alarm.startswith("collapse: class class1 is predicted for 100 % of the pictures, and has 33 %")
    assert summary.sentence.endswith(f" Alarm: {summary.alarm}.")


def test_a_domain_is_not_adapted_to_itself(study):
    images, features = study
    with pytest.raises(ValueError, match="target: 'here' is the source too, expected another of"):
        AdaptationExplorer(features, images, methods=NAMES).snapshot("here", "here")


def test_a_pair_and_method_is_solved_once(study):
    images, features = study
    calls = []
    explorer = AdaptationExplorer(features, images, methods={"coral": METHODS["coral"], "counting": Counting(calls)})
    assert len(calls) == 1
    first = explorer.snapshot().data
    explorer.method = "coral"
    explorer.method = "counting"
    assert explorer.snapshot().data == first
    assert len(calls) == 1
    explorer.target = "yonder"
    assert len(calls) == 2


def test_what_takes_time_is_announced_and_what_is_known_is_not(explorer):
    said = []
    explorer.observe(lambda change: said.append(change["new"]), "status")
    explorer.method = "align_mean"
    assert [("computing" in line) for line in said] == [True, False]
    assert "here → there, align mean: computing" in said[0]
    said.clear()
    explorer.method = "coral"
    assert [("computing" in line) for line in said] == [False]


def test_features_are_extracted_once(study, monkeypatch):
    images, features = study
    calls = []

    def extract(backbone, asked, progress):
        calls.append((backbone, len(asked)))
        return dataclasses.replace(features, values=features.values.astype(float))

    monkeypatch.setattr(summary_module, "read_features", extract)
    explorer = AdaptationExplorer("some_network", images, methods=NAMES)
    explorer.target = "yonder"
    assert calls == [("some_network", len(images))]


def test_it_begins_with_two_domains_and_the_last_method(explorer, study):
    assert (explorer.source, explorer.target, explorer.method) == ("here", "there", "coral")
    assert explorer.status == read(study, "here", "there", "coral").sentence
    images, features = study
    other = AdaptationExplorer(features, images, ["yonder", "here"], ["coral", "align_mean"])
    assert (other.source, other.target, other.method) == ("yonder", "here", "align_mean")


@pytest.mark.parametrize("through_controls", [True, False])
def test_taking_the_other_domain_exchanges_the_two(explorer, study, through_controls):
    def choose(name, value):
        if through_controls:
            explorer.chosen = {**explorer.chosen, name: explorer._controls[name].find(value)}
        else:
            setattr(explorer, name, value)

    choose("source", "there")
    assert (explorer.source, explorer.target) == ("there", "here")
    assert explorer.status == read(study, "there", "here", "coral").sentence
    choose("target", "there")
    assert (explorer.source, explorer.target) == ("here", "there")
    assert [explorer._controls[name].get(explorer.chosen[name]) for name in ("source", "target")] == ["here", "there"]
    assert explorer.status == read(study, "here", "there", "coral").sentence


def test_methods_that_tune_a_network_and_single_domains_are_refused(study):
    images, features = study
    with pytest.raises(TypeError, match="methods: 'dann' tunes a network"):
        AdaptationExplorer(features, images, methods=["dann"])
    with pytest.raises(ValueError, match="domains: \\['here'\\], expected two or more"):
        AdaptationExplorer(features, images, ["here"])


@pytest.mark.slow
def test_a_snapshot_of_another_choice_leaves_the_explorer_where_it_was(explorer):
    words, here = explorer.status, explorer.snapshot().data
    assert explorer.snapshot("yonder", "here", "align_mean").data != here
    assert explorer.snapshot().data == here
    assert (explorer.status, explorer.source) == (words, "here")
    with pytest.raises(ValueError, match="target: 'here' is the source too"):
        explorer.snapshot(target="here")


def test_looking_further_draws_only_what_changed(explorer, monkeypatch):
    counts = count_drawings(monkeypatch)
    explorer.method = "align_mean"
    assert counts == {"drawings": 1}
    explorer.source = "there"  # which changes the target as well
    assert counts == {"drawings": 2}
    with explorer.hold_trait_notifications():
        explorer.source, explorer.target, explorer.method = "yonder", "there", "source_only"
    assert explorer.status.startswith("yonder → there, source only")
    assert counts == {"drawings": 3}
