"""Arms of an ablation: a strategy with one augmentation or another, paired by seed."""

import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.strategies.strategy import adjust_phases


def test_only_phases_of_epochs_are_augmented_and_all_of_them():
    strategy = tl.Strategy(
        [tl.Phase(["head"], None), tl.Phase([-1], 2, 1e-3), tl.Phase(["all"], 1, 1e-3, augment="flip")], name="own"
    )
    changed = tl.strategies.augmented(strategy, ["crop", "cutmix"])
    assert [phase.augment for phase in changed.phases] == [None, ("crop", "cutmix"), ("crop", "cutmix")]
    assert [phase.augment for phase in tl.strategies.augmented(strategy, None).phases] == [None] * 3
    assert [phase.augment for phase in strategy.phases] == [None, None, "flip"]
    assert (changed.name, tl.strategies.augmented(strategy, None, name="mine").name) == ("own + crop + cutmix", "mine")


def test_everything_else_of_a_strategy_stays():
    known = tl.strategies.get("from_scratch")
    changed = tl.strategies.augmented(known, "flip")
    assert (changed.prepare, changed.finish, changed.adjust) == (known.prepare, known.finish, known.adjust)
    gradual = tl.strategies.augmented("gradual", "flip")
    backbone = make_tiny_backbone()
    assert {phase.augment for phase in adjust_phases(gradual, backbone, 10).phases[1:]} == {"flip"}


def test_a_head_that_is_solved_can_not_be_augmented():
    with pytest.raises(ValueError, match="strategy: 'linear_probe' solves its head, which uses no augmentation"):
        tl.strategies.augmented("linear_probe", "flip")
    with pytest.raises(ValueError, match="nearest: 'flip'"):
        tl.strategies.augmented("lp_ft", "flib")


@pytest.mark.slow
def test_an_ablation_is_a_comparison_paired_by_seed():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    plain = tl.Strategy([tl.Phase(["head"], 2, 1e-1)], name="head")
    arms = [tl.strategies.augmented(plain, policy) for policy in (None, "invert", ["crop", "mixup"])]
    comparison = tl.compare(make_tiny_backbone(), images, [plain, *arms], [2], 2, baseline="head", progress=False)
    gains = comparison.table.set_index("strategy")["gain"]
    assert gains["head + none"] == 0, "no augmentation is the strategy itself, picture by picture"
    trained = comparison.runs.set_index(["strategy", "seed"])
    for seed in (0, 1):
        few = images.split(test_fold=seed, n_folds=5)[0].few(2, seed=seed)
        run = tl.transfer(make_tiny_backbone(), few, arms[1], seed=seed, progress=False)
        accuracy = run.evaluate(images.split(test_fold=seed, n_folds=5)[1]).accuracy
        assert trained.loc[("head + invert", seed), "accuracy"] == accuracy
