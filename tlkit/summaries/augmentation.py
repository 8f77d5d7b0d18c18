"""What a network sees of augmented pictures, and what each augmentation was worth, read in words.

Without torch until pictures are drawn.
"""

import dataclasses

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.images.imageset import ImageSet
from tlkit.strategies.augmentation import check_policies, format_augment, split_policies
from tlkit.summaries.comparison import Choice, summarise_arm
from tlkit.training.augment import mix_batch

MOST_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class AugmentationChoice:
    """What to look at.

    Arguments
    ---------
    policy: str
        As `format_augment` says it: "none", "crop", "crop + mixup" …
    draw: int
        Number of the draw, from 0.
    """

    policy: str
    draw: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class AugmentationSummary:
    """What a network sees under an augmentation, and what that was worth; `summarise_augmentation` makes one.

    Arguments
    ---------
    choice: AugmentationChoice
    plain, seen: (n, side, side, 3) uint8
        The pictures as they are, and as the network sees them in this draw.
    captions: list of str
        What each is labelled, with the shares where pictures are mixed.
    strategy: str
        The arm of the comparison.
    sentence: str
    """

    choice: AugmentationChoice
    plain: np.ndarray
    seen: np.ndarray
    captions: list
    strategy: str
    sentence: str


class Augmentations:
    """Some pictures, and an ablation that says what each augmentation of it was worth.

    Arguments
    ---------
    backbone: Backbone
        Whose recipe says what the network sees.
    images: ImageSet
        The first six are shown.
    comparison: Comparison
        At one number of shots, of strategies that differ in their augmentation, as `tlkit.strategies.augmented` makes
        them.
    n_draws: int
    seed: int
        Of the draws.

    Raises ValueError or TypeError for what doesn't fit.
    """

    def __init__(self, backbone, images, comparison, *, n_draws=10, seed=0):
        from tlkit.training.batches import TrainingPictures

        if not isinstance(images, ImageSet) or len(images) < 2:
            raise ValueError(f"images: {images!r}, expected an ImageSet of two pictures or more")
        shots = comparison.table["shots"].unique().tolist()
        if len(shots) > 1:
            raise ValueError(f"comparison: at {len(shots)} numbers of shots, expected one: compare again with one")
        self.backbone, self.comparison, self.n_draws, self.shots = backbone, comparison, n_draws, shots[0]
        self.arms, self.augments = _find_arms(comparison)
        self.pictures = TrainingPictures(images[:MOST_SHOWN], backbone.recipe, seed)
        self.plain, _ = see_pictures(self.pictures, None, 0)

    def check(self, choice):
        """Raise ValueError for a policy or draw that isn't there."""
        check_known("policy", [choice.policy], list(self.arms))
        check_count("draw", choice.draw, 0, self.n_draws - 1)


def _find_arms(comparison):
    """Return ({policy: name of the arm}, {policy: augmentation}) of a comparison."""
    arms, augments = {}, {}
    for name in comparison.table["strategy"]:
        described = comparison.description.get("strategies", {}).get(name)
        phases = described.get("phases", []) if isinstance(described, dict) else []
        trained = [phase for phase in phases if phase.get("n_epochs") is not None]
        if not trained:
            raise ValueError(
                f"comparison: {name} trains for no epochs, so it augments nothing: compare strategies that "
                "tlkit.strategies.augmented makes"
            )
        augment = check_policies(trained[-1].get("augment"))
        policy = format_augment(augment)
        if policy in arms:
            raise ValueError(f"comparison: {arms[policy]} and {name} both augment by {policy}, expected one each")
        arms[policy], augments[policy] = name, augment
    return arms, augments


def see_pictures(pictures, augment, draw):
    """Return what a network sees of all pictures in an epoch, as the one batch of a step.

    Arguments
    ---------
    pictures: TrainingPictures
    augment: str, tuple of str or None
    draw: int
        Number of the epoch.

    Returns (n, side, side, 3) uint8, what it is given put back into colours, and (n, n_classes) float32, the labels'
    shares.
    """
    from torch.nn.functional import one_hot

    policy, mixing = split_policies(augment)
    n_classes = len(pictures.images.classes)
    batch, labels = pictures.batch(np.arange(len(pictures)), policy, draw)
    shares = one_hot(labels, n_classes).float()
    if mixing:
        batch, shares = mix_batch(batch, labels, mixing, n_classes, draw=(pictures.seed, draw, 0))
    return show_values(batch.numpy(), pictures.recipe), shares.numpy()


def show_values(batch, recipe):
    """Return standardised values, (n, 3, height, width) float32, put back into colours: (n, height, width, 3) uint8."""
    values = batch.transpose(0, 2, 3, 1) * np.float32(recipe.std) + np.float32(recipe.mean)
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)


def format_shares(shares, classes):
    """Return a label in words, a line a class: the class, and its share where there are several.

    >>> format_shares(np.array([0.0, 1.0]), ["bird", "bug"])
    'bug'
    >>> print(format_shares(np.array([0.25, 0.75]), ["bird", "bug"]))
    bug: 0.75
    bird: 0.25
    """
    present = [label for label in np.argsort(-shares, kind="stable") if shares[label] >= 0.005]
    if len(present) == 1:
        return classes[present[0]]
    return "\n".join(f"{classes[label]}: {shares[label]:.2f}" for label in present)


def summarise_augmentation(augmentations, choice):
    """Draw what the network sees, and look up what the augmentation was worth.

    Arguments
    ---------
    augmentations: Augmentations
    choice: AugmentationChoice

    Returns an `AugmentationSummary`. Raises ValueError for a choice that isn't there.
    """
    augmentations.check(choice)
    arm, augment = augmentations.arms[choice.policy], augmentations.augments[choice.policy]
    seen, shares = see_pictures(augmentations.pictures, augment, choice.draw)
    captions = [format_shares(row, augmentations.pictures.images.classes) for row in shares]
    sentence = summarise_arm(augmentations.comparison, Choice(arm, augmentations.shots)).sentence
    return AugmentationSummary(choice, augmentations.plain, seen, captions, arm, sentence)
