"""Augmented pictures as a network gets them, and the gain by augmentation. Without torch until they are drawn."""

import collections
import dataclasses

import numpy as np

from tlkit.cpu.threads import default_states
from tlkit.images.imageset import ImageSet, check_images
from tlkit.strategies.augmentation import check_policies, format_augment, split_policies
from tlkit.summaries.comparison import ArmChoice, summarise_arm

MAX_SHOWN = 6
# A policy, as `format_augment` returns it (for example, "crop + mixup"), and the index of a draw.
AugmentationChoice = collections.namedtuple("AugmentationChoice", "policy draw", defaults=(0,))


@dataclasses.dataclass(frozen=True, eq=False)
class AugmentationSummary:
    """Pictures under an augmentation, and its gain in words; `summarise_augmentation` makes one."""

    choice: AugmentationChoice
    names: list  # of str: name and class of each picture
    plain: np.ndarray  # (n, side, side, 3) uint8
    augmented: np.ndarray  # the same pictures as the network gets them in this draw
    captions: list  # of str: label of each picture, with shares if pictures are mixed
    strategy: str  # the arm of the comparison
    sentence: str


class AugmentationAblation:
    """The first six of some pictures, and a `Comparison` at one number of shots whose arms differ in augmentation."""

    def __init__(self, backbone, images, comparison, *, n_draws=10, seed=0):
        from tlkit.training.batches import TrainingPictures

        if not isinstance(images, ImageSet) or len(images) < 2:
            raise ValueError(f"images: {images!r}, expected an ImageSet of two pictures or more")
        check_images("images", images)
        shots = comparison.table["shots"].unique().tolist()
        if len(shots) > 1:
            raise ValueError(f"comparison: at {len(shots)} numbers of shots, expected one: compare again with one")
        self.backbone, self.comparison, self.n_draws, self.shots = backbone, comparison, n_draws, shots[0]
        self.arms, self.augments = _find_arms(comparison)
        self.pictures = TrainingPictures(images[:MAX_SHOWN], backbone.recipe, seed)
        self.plain, _ = augment_pictures(self.pictures, None, 0)
        shown = self.pictures.images
        self.names = [f"{name}: {shown.classes[y]}" for name, y in zip(shown.names, shown.labels, strict=True)]


def _find_arms(comparison):
    """Return ({policy: name of the arm}, {policy: augmentation}) of a comparison."""
    arms, augments = {}, {}
    for name in comparison.table["strategy"]:
        described = comparison.description.get("strategies", {}).get(name)
        phases = described.get("phases", []) if isinstance(described, dict) else []
        trained = [phase for phase in phases if phase.get("n_epochs") is not None]
        if not trained:
            raise ValueError(f"comparison: {name} trains for no epochs, so it augments nothing: see `augmented`")
        augment = check_policies(trained[-1].get("augment"))
        policy = format_augment(augment)
        if policy in arms:
            raise ValueError(f"comparison: {arms[policy]} and {name} both augment by {policy}, expected one each")
        arms[policy], augments[policy] = name, augment
    return arms, augments


@default_states()
def augment_pictures(pictures, augment, draw):
    """Return `TrainingPictures` of an epoch (n, side, side, 3) uint8, and shares of labels (n, n_classes) float32."""
    from torch.nn.functional import one_hot

    from tlkit.training.batches import mix_batch

    check_images("images", pictures.images, "picture")
    policy, mixing = split_policies(augment)
    n_classes = len(pictures.images.classes)
    batch, labels = pictures.batch(np.arange(len(pictures)), policy, draw)
    shares = one_hot(labels, n_classes).float()
    if mixing:
        batch, shares = mix_batch(batch, labels, mixing, n_classes, draw=(pictures.seed, draw, 0))
    return restore_colours(batch.numpy(), pictures.recipe), shares.numpy()


def restore_colours(batch, recipe):
    """Return colours (n, height, width, 3) uint8 of standardised values (n, 3, height, width) float32."""
    values = batch.transpose(0, 2, 3, 1) * np.float32(recipe.std) + np.float32(recipe.mean)
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)


def format_label(shares, classes):
    """Return a label in words from shares (n_classes,): one line per class, with its share if there are several."""
    present = [label for label in np.argsort(-shares, kind="stable") if shares[label] >= 0.005]
    if len(present) == 1:
        return classes[present[0]]
    return "\n".join(f"{classes[label]}: {shares[label]:.2f}" for label in present)


def summarise_augmentation(ablation, choice):
    """Return the `AugmentationSummary` of a choice of an `AugmentationAblation`."""
    arm, augment = ablation.arms[choice.policy], ablation.augments[choice.policy]
    augmented, shares = augment_pictures(ablation.pictures, augment, choice.draw)
    captions = [format_label(row, ablation.pictures.images.classes) for row in shares]
    sentence = summarise_arm(ablation.comparison, ArmChoice(arm, ablation.shots)).sentence
    return AugmentationSummary(choice, ablation.names, ablation.plain, augmented, captions, arm, sentence)
