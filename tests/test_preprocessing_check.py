"""Loaders that prepare pictures otherwise than the weights want it: found, named, and priced."""

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

import tlkit as tl
from tlkit.backbones.recipe import Recipe
from tlkit.inspection import check_preprocessing
from tlkit.inspection.loader_samples import _read_batches

RECIPE = Recipe(36, 32, "bicubic", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
CUT = [v2.Resize(36, InterpolationMode.BICUBIC), v2.CenterCrop(32)]
VALUES = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
STANDARDISE = v2.Normalize(RECIPE.mean, RECIPE.std)
RIGHT = [*CUT, *VALUES, STANDARDISE]
IMAGENET = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
N_PICTURES = 24


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone(recipe=RECIPE)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Pictures of two classes, which differ in colour, wider than high, with coarse shapes and fine grain."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(N_PICTURES):
        coarse = random.integers(40, 216, (4, 6, 3)) + (number % 2) * np.array([30, 0, -30])
        picture = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize((96, 64), Image.Resampling.BICUBIC)
        grain = np.asarray(picture) + random.normal(0, 12, (64, 96, 1))
        path = folder / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(path)
    return tl.load_images(folder)


class Loader:
    """Batches of 10, made anew each time it is gone through, as a DataLoader does."""

    def __init__(self, images, steps, *, labels=True):
        self.images, self.make, self.labels = images, v2.Compose(steps), labels

    def __iter__(self):
        for start in range(0, len(self.images), 10):
            places = range(start, min(start + 10, len(self.images)))
            batch = torch.stack([self.make(self.images.read(place)) for place in places])
            yield (batch, torch.tensor(self.images.labels[start : start + 10])) if self.labels else batch


def check(steps, backbone, images, **keywords):
    return check_preprocessing(Loader(images, steps, **keywords), backbone, images, n_seeds=2, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [True, False])
def test_the_recipe_passes(backbone, images, labels):
    found = check(RIGHT, backbone, images, labels=labels)
    assert found.passed and not found.mismatches
    assert found.largest_difference < 1e-5
    assert found.accuracy == found.accuracy_tested == found.accuracy_both
    assert (found.change_tested_low, found.change_both_high) == (0, 0)
    assert repr(found).startswith("Passed: 24 pictures are preprocessed as the weights require")


MISMATCHES = [
    ([*CUT, *VALUES], {"not standardised": "values from 0 to 1"}),
    ([*CUT, v2.PILToTensor()], {"0–255": "divide by 255"}),
    ([*CUT, v2.PILToTensor(), v2.ToDtype(torch.float32)], {"0–255": "divide by 255"}),
    ([*CUT, *VALUES, IMAGENET], {"other mean and standard deviation": "those of ImageNet, instead of (0.400, 0.5"}),
    (
        [*CUT, *VALUES, v2.Normalize([0.3] * 3, [0.1] * 3)],
        {"other mean and standard deviation": "about (0.300, 0.300, 0.300) and (0.100, 0.100, 0.100)"},
    ),
    (
        [*RIGHT[:-1], lambda values: values.flip(0), STANDARDISE],
        {"BGR": "", "other mean and standard deviation": ""},
    ),
    ([*RIGHT, lambda values: values.flip(0)], {"BGR": "blue comes first"}),
    ([*RIGHT, lambda values: values.permute(1, 2, 0)], {"channels last": "(height, width, channels)"}),
    ([*RIGHT, lambda values: values.flip(2)], {"mirrored": "left and right"}),
    (
        [v2.Resize(54, InterpolationMode.BICUBIC), v2.CenterCrop(48), *VALUES, STANDARDISE],
        {"other size": "48 × 48 px instead of 32 × 32"},
    ),
    (
        [v2.Resize(36), v2.CenterCrop(32), *VALUES, STANDARDISE],
        {"other interpolation": "bilinear instead of bicubic"},
    ),
    (
        [*VALUES, v2.Resize(36, antialias=False), v2.CenterCrop(32), STANDARDISE],
        {"other interpolation": "bilinear without antialiasing instead of bicubic"},
    ),
    (
        [v2.Resize(32, InterpolationMode.BICUBIC), v2.CenterCrop(32), *VALUES, STANDARDISE],
        {"other crop": "shorter side to 32 px, bicubic, 32 px centre crop, instead of shorter side to 36 px"},
    ),
    (
        [v2.Resize((32, 32), InterpolationMode.BICUBIC), *VALUES, STANDARDISE],
        {"other crop": "stretched to 32 × 32 px, bicubic"},
    ),
    ([v2.RandomResizedCrop(32), *VALUES, STANDARDISE], {"augmented": "gives other values each time"}),
    (
        [v2.Resize((32, 32)), *VALUES, lambda values: values.flip(0)],
        {"BGR": "", "not standardised": "", "other interpolation": "bilinear", "other crop": "stretched"},
    ),
]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [pytest.param(*case, marks=[pytest.mark.slow] * (number % 4 > 0)) for number, case in enumerate(MISMATCHES)],
)
def test_mismatches_are_named(backbone, images, steps, expected):
    found = check(steps, backbone, images)
    assert not found.passed
    assert found.mismatches.keys() == expected.keys()
    for name, words in expected.items():
        assert words in found.mismatches[name]
        assert f"  {name}: {found.mismatches[name]}." in repr(found)


@pytest.mark.slow
def test_some_mirrored_pictures_are_augmentation_even_in_a_list(backbone, images):
    batches = list(Loader(images, RIGHT, labels=False))
    batches = [torch.cat([batch[:4].flip(3), batch[4:]]) for batch in batches]
    found = check_preprocessing(batches, backbone, images, n_seeds=2, progress=False)
    assert found.mismatches.keys() == {"augmented"}
    assert "examined pictures are mirrored" in found.mismatches["augmented"]


@pytest.mark.slow
def test_changes_that_no_recipe_explains_are_said(backbone, images):
    found = check([*RIGHT, lambda values: v2.functional.rotate(values, 15)], backbone, images)
    assert found.mismatches.keys() == {"other crop"}
    assert "none of the common recipes explains" in found.mismatches["other crop"]
    batches = [batch + 0.004 * torch.sign(batch) for batch in Loader(images, RIGHT, labels=False)]
    found = check_preprocessing(batches, backbone, images, n_seeds=2, progress=False)
    assert found.mismatches.keys() == {"other values"}


def test_arrays_and_loaders_that_can_be_read_once_will_do(backbone, images):
    batches = (batch.numpy() for batch in Loader(images, RIGHT, labels=False))
    assert check_preprocessing(batches, backbone, images, n_seeds=2, progress=False).passed


@pytest.mark.slow
def test_the_cost_is_that_of_probes_on_the_loaders_features(backbone, images):
    from tlkit.evaluation.intervals import two_way_interval
    from tlkit.selection.transferability import predict_unseen

    steps = [*CUT, v2.PILToTensor()]
    found = check(steps, backbone, images)
    with torch.inference_mode():
        features = [
            torch.cat([backbone(batch.float()) for batch in Loader(images, one, labels=False)]).numpy()
            for one in (RIGHT, steps)
        ]
    groups, labels = images.groups, images.labels

    def measure(learned, tested):
        return np.stack([predict_unseen(learned, tested, labels, groups, seed=seed) == labels for seed in range(2)])

    right, tested = measure(features[0], features[0]), measure(*features)
    both = measure(features[1], features[1])
    assert (found.accuracy, found.accuracy_tested, found.accuracy_both) == (right.mean(), tested.mean(), both.mean())
    assert found.change_tested == pytest.approx(tested.mean() - right.mean())
    low, high = two_way_interval(tested.astype(float) - right, groups)
    assert (found.change_tested_low, found.change_tested_high) == (low, high)
    assert found.change_tested < -0.1  # a probe that learned from standardised values is lost among 0 to 255
    assert f"{found.accuracy_tested:.3f} ({found.change_tested:+.3f}, 95 % interval {low:+.3f} to" in repr(found)


def test_a_network_that_cannot_take_the_size_says_so(backbone, images):
    class Fussy(type(backbone)):
        def forward(self, batch):
            if batch.shape[-1] != 32:
                raise RuntimeError("shapes cannot be multiplied")
            return super().forward(batch)

    fussy = Fussy("tiny", dict(backbone.body.items()), backbone.tail, RECIPE, backbone.provenance).eval()
    found = check([v2.Resize((48, 48)), *VALUES, STANDARDISE], fussy, images)
    assert np.isnan(found.accuracy_tested) and found.accuracy > 0
    assert "The network can't process such pictures" in repr(found)


def test_the_backbone_is_left_as_it_was(images):
    backbone = make_tiny_backbone(recipe=RECIPE).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    check([*CUT, *VALUES], backbone, images)
    assert all(module.training for module in backbone.modules())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda batches: batches[:-1], ValueError, "loader: 20 pictures, expected the 24 of images.*drop_last=False"),
        (lambda batches: [*batches, batches[0]], ValueError, "loader: more than the 24 pictures"),
        (lambda batches: [batch.flip(0) for batch in batches[::-1]], ValueError, "not those of images in their order"),
        (lambda batches: [batch[:, :1] for batch in batches], TypeError, r"shape \(10, 1, 32, 32\).*three channels"),
        (lambda batches: [batch[0] for batch in batches], TypeError, r"loader: gave Tensor of shape \(3, 32, 32\)"),
        (lambda batches: [{"image": batches[0]}], TypeError, r"loader: gave dict of shape \(\)"),
        (
            lambda batches: [batches[0], batches[1], batches[2][:, :, :16]],
            ValueError,
            "loader: batches of several sizes",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(backbone, images, change, error, message):
    batches = list(Loader(images, RIGHT, labels=False))
    with pytest.raises(error, match=message):
        check_preprocessing(change(batches), backbone, images, progress=False)


def test_labels_in_another_order_are_refused(backbone, images):
    batches = [(batch, labels.flip(0)) for batch, labels in Loader(images, RIGHT)]
    with pytest.raises(ValueError, match="its labels are not those of images in their order: use shuffle=False"):
        check_preprocessing(batches, backbone, images, progress=False)


def test_one_seed_is_refused(backbone, images):
    with pytest.raises(ValueError, match="n_seeds: 1, expected a whole number of at least 2"):
        check_preprocessing([], backbone, images, n_seeds=1)


def test_pictures_of_one_class_are_refused(backbone, images):
    with pytest.raises(ValueError, match="images: pictures of fewer than two classes"):
        check(RIGHT, backbone, images.select(classes=["a"]))


def test_batches_of_bfloat16_are_read_and_masked_ones_refused():
    ((_, batch, labels, _),) = _read_batches([(torch.full((2, 3, 4, 4), 0.5).bfloat16(), torch.tensor([0, 1]))])
    assert (batch == 0.5).all() and labels.tolist() == [0, 1]
    for item in (np.ma.masked_equal(np.eye(4)[None, None].repeat(3, 1), 1), (batch, np.ma.masked_equal(labels, 1))):
        with pytest.raises(ValueError, match="loader: some entries are masked"):
            list(_read_batches([item]))
