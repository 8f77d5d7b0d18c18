"""Ablations made up for tests: accuracies by dice, descriptions as `compare` gives them."""

import dataclasses

from made_comparisons import make_comparison

from tlkit.strategies import augmented

POLICIES = {"none": None, "flip": "flip", "crop + cutmix": ["crop", "cutmix"], "invert": "invert"}


def make_ablation(images, shots=(5,), policies=POLICIES, chances=(0.5, 0.55, 0.8, 0.1)):
    """Return a Comparison of the strategy "last_2_stages" under each augmentation."""
    arms = [augmented("last_2_stages", policy) for policy in policies.values()]
    named = {arm.name: chance for arm, chance in zip(arms, chances, strict=True)}
    described = {"strategies": {arm.name: arm.describe() for arm in arms}}
    return dataclasses.replace(make_comparison(images, named, shots), description=described)
