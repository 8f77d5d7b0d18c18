"""Augmentation: what may go together, mixing against slow loops, the same bits in any order and with any workers."""

import functools
import json
import math

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone
from made_training import make_training
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

import tlkit as tl
from tlkit.adaptation.trained_objectives import Dann
from tlkit.heads.numerics import weigh_classes
from tlkit.strategies.augmentation import MIXINGS, POLICIES
from tlkit.summaries.freeze_score import make_score, write_python
from tlkit.training.batches import TrainingPictures, draw_view, mix_batch, order_pictures
from tlkit.training.frozen_prefix import list_views


@pytest.fixture(scope="module")
def images():
    """Ten pictures of three classes: five, three and two."""
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    images = images.with_classes(["bird", "bug", "tool"])
    return images[np.concatenate([np.flatnonzero(images.labels == label)[:n] for label, n in ((0, 5), (1, 3), (2, 2))])]


@pytest.fixture(scope="module")
def backbone():
    """Without dropout, whose draws depend on how many pictures are computed at once."""
    backbone = make_tiny_backbone()
    backbone.body["stage1"][3].p = 0.0
    return backbone


def make_batch(n=6, seed=0):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)), torch.arange(n) % 4


@pytest.mark.parametrize(
    ("augment", "error", "said"),
    [
        ("flop", ValueError, "augment: 'flop'.*nearest: 'flip'"),
        (["crop", "mixupp"], ValueError, "augment: 'mixupp'.*nearest: 'mixup'"),
        (["crop", "crop_wide"], ValueError, "'crop' and 'crop_wide' both cut out a part: use only one"),
        (["mixup", "cutmix"], ValueError, "'mixup' and 'cutmix' both mix pictures: use only one"),
        (["flip", "flip"], ValueError, "has one twice"),
        ([], ValueError, r"augment: \[\], expected None or at least one of flip"),
        ([3], ValueError, "augment: 3, expected None or a policy"),
        (3, TypeError, "augment: a int, expected None, a policy or a list"),
        ({"flip"}, TypeError, "augment: a set, expected"),
    ],
)
def test_what_can_not_go_together_is_said(augment, error, said):
    with pytest.raises(error, match=said):
        tl.Phase(["all"], 1, 1e-3, augment=augment)


def test_an_objective_refuses_mixed_labels():
    with pytest.raises(ValueError, match="augment: 'cutmix' mixes labels, but an objective needs the label of each"):
        tl.Phase(["all"], 1, 1e-3, augment=["crop", "cutmix"], objective=Dann(1.0))
    assert tl.Phase(["all"], 1, 1e-3, augment=["crop", "flip"], objective=Dann(1.0)).augment == ("crop", "flip")


@pytest.mark.parametrize("augment", ["crop", ["crop", "mixup"], ("cutmix",), None])
def test_a_description_goes_through_json_and_back(augment):
    phase = tl.Phase(["all"], 2, 1e-3, augment=augment)
    described = json.loads(json.dumps(phase.describe()))
    assert tl.Phase(**described) == phase


def test_a_score_keeps_several_policies_and_writes_them_as_python():
    strategy = tl.Strategy([tl.Phase(["all"], 2, 1e-3, augment=["crop", "mixup"])], name="own")
    written = write_python(make_score(strategy, make_tiny_backbone(), 10))
    names = {}
    exec(written, names)
    assert names["strategy"].phases[0].augment == ("crop", "mixup")


def draw_as_before(picture, policy, recipe, draw):
    """The three policies that there were first, as they were written then."""
    if policy == "flip":
        picture, change = recipe.crop(picture), v2.RandomHorizontalFlip()
    else:
        scale = ({"crop": 0.6, "crop_wide": 0.35}[policy], 1)
        mode = v2.InterpolationMode(recipe.interpolation)
        crop = v2.RandomResizedCrop(recipe.crop_size_px, scale=scale, ratio=(3 / 4, 4 / 3), interpolation=mode)
        change = v2.Compose([crop, v2.RandomHorizontalFlip()])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(draw).generate_state(1, np.uint64)[0] >> 1))
        return change(picture)


@pytest.mark.parametrize("policy", ["flip", "crop", "crop_wide"])
def test_the_first_policies_give_the_bits_that_they_always_gave(images, backbone, policy):
    for index in range(len(images)):
        picture = backbone.recipe.resize(images.read(index))
        draws = [(7, epoch, index) for epoch in range(3)]
        views = [draw_view(picture, policy, backbone.recipe, draw=draw) for draw in draws]
        before = [draw_as_before(picture, policy, backbone.recipe, draw) for draw in draws]
        assert [view.tobytes() for view in views] == [view.tobytes() for view in before]


def views_of(images, backbone, policy, n=12):
    picture = backbone.recipe.resize(images.read(0))
    return [np.asarray(draw_view(picture, policy, backbone.recipe, draw=(0, epoch, 5))) for epoch in range(n)]


def test_invert_gives_the_picture_or_its_negative(images, backbone):
    plain = np.asarray(backbone.recipe.crop(backbone.recipe.resize(images.read(0))))
    assert {view.tobytes() for view in views_of(images, backbone, "invert")} == {
        plain.tobytes(),
        (255 - plain).tobytes(),
    }


def test_gray_gives_the_picture_or_one_without_colours(images, backbone):
    plain = np.asarray(backbone.recipe.crop(backbone.recipe.resize(images.read(0))))
    views = views_of(images, backbone, "gray")
    gray = [view for view in views if not np.array_equal(view, plain)]
    assert 0 < len(gray) < len(views)
    assert all((view == view[:, :, :1]).all() for view in gray)


def test_blur_takes_away_edges_and_keeps_the_mean(images, backbone):
    plain = np.asarray(backbone.recipe.crop(backbone.recipe.resize(images.read(0)))).astype(float)
    for view in views_of(images, backbone, "blur", 4):
        assert np.abs(np.diff(view.astype(float), axis=0)).sum() <= np.abs(np.diff(plain, axis=0)).sum()
        assert view.mean() == pytest.approx(plain.mean(), abs=8)


def test_cropping_comes_first_whatever_the_order(images, backbone):
    picture = backbone.recipe.resize(images.read(0))
    first, last = (
        draw_view(picture, names, backbone.recipe, draw=(0, 1, 2)) for names in (("crop", "invert"), ("invert", "crop"))
    )
    assert first.tobytes() == last.tobytes()
    assert first.size == (16, 16)


@pytest.mark.parametrize("n_pictures", [1, 2, 6])
def test_mixup_is_a_sum_in_shares_pixel_by_pixel(n_pictures):
    batch, labels = make_batch(n_pictures)
    for step in range(5):
        mixed, shares = mix_batch(batch, labels, "mixup", 4, draw=(0, 1, step))
        for place in range(n_pictures):
            other = (place - 1) % n_pictures
            share = float(shares[place, labels[place]]) if labels[place] != labels[other] else 1.0
            slow = share * batch[place].double() + (1 - share) * batch[other].double()
            if labels[place] != labels[other] or n_pictures == 1:
                assert torch.allclose(mixed[place].double(), slow, atol=1e-6)


@pytest.mark.parametrize("n_pictures", [1, 2, 6])
def test_cutmix_puts_in_a_rectangle_as_large_as_the_share_says(n_pictures):
    batch, labels = make_batch(n_pictures)
    for step in range(8):
        mixed, shares = mix_batch(batch, labels, "cutmix", 4, draw=(0, 1, step))
        for place in range(n_pictures):
            other = (place - 1) % n_pictures
            own = [[bool((mixed[place, :, y, x] == batch[place, :, y, x]).all()) for x in range(8)] for y in range(8)]
            foreign = [(y, x) for y in range(8) for x in range(8) if not own[y][x]]
            assert all((mixed[place, :, y, x] == batch[other, :, y, x]).all() for y, x in foreign)
            if foreign:
                ys, xs = zip(*foreign, strict=True)
                assert len(foreign) == (max(ys) - min(ys) + 1) * (max(xs) - min(xs) + 1), "it is no rectangle"
                assert float(shares[place, labels[place]]) == pytest.approx(1 - len(foreign) / 64, abs=1e-6)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_labels_sum_to_one_and_name_both_pictures(mixing):
    batch, labels = make_batch()
    found = []
    for step in range(20):
        _, shares = mix_batch(batch, labels, mixing, 4, draw=(3, 0, step))
        assert torch.allclose(shares.sum(dim=1), torch.ones(len(labels)), atol=1e-6)
        assert (shares >= 0).all()
        for place, row in enumerate(shares):
            assert set(np.flatnonzero(row)) <= {int(labels[place]), int(labels[place - 1])}
        found.append(float(shares[1, labels[1]]))
    assert len(set(found)) > 5, "each step draws anew"


@pytest.mark.parametrize("mixing", MIXINGS)
def test_mixing_repeats_by_its_draw_and_leaves_torchs_random_state(mixing):
    batch, labels = make_batch()
    before, state = batch.clone(), torch.random.get_rng_state()
    first, again = (mix_batch(batch, labels, mixing, 4, draw=(0, 2, 5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(batch, before)
    other = mix_batch(batch, labels, mixing, 4, draw=(1, 2, 5))
    assert not torch.equal(first[1], other[1])


class Views(Dataset):
    """Single drawn pictures, as a loader's workers read them."""

    def __init__(self, pictures, policy, epoch):
        self.pictures, self.policy, self.epoch = pictures, policy, epoch

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        batch, labels = self.pictures.batch(np.array([index]), self.policy, self.epoch)
        return batch[0], labels[0]


def collate(items, mixing, step):
    batch, labels = (torch.stack(column) for column in zip(*items, strict=True))
    return mix_batch(batch, labels, mixing, 3, draw=(5, 2, step))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on a machine with one core
@pytest.mark.parametrize("policy", ["crop", "rand_augment", ("crop", "colour")])
def test_two_workers_of_a_loader_give_the_bits_of_the_plain_loop(images, backbone, policy):
    pictures = TrainingPictures(images, backbone.recipe, 5)
    plain = [pictures.batch(np.arange(start, start + 5), policy, 2)[0] for start in (0, 5)]
    loaded = [batch for batch, _ in DataLoader(Views(pictures, policy, 2), batch_size=5, num_workers=2)]
    assert all(torch.equal(a, b) for a, b in zip(plain, loaded, strict=True))
    for step, mixing in enumerate(MIXINGS):
        indices = [[4, 1, 0, 7, 9]]
        loader = DataLoader(
            Views(pictures, policy, 2),
            batch_sampler=indices,
            num_workers=2,
            collate_fn=functools.partial(collate, mixing=mixing, step=step),
        )
        batch, labels = pictures.batch(np.array(indices[0]), policy, 2)
        here = mix_batch(batch, labels, mixing, 3, draw=(5, 2, step))
        (there,) = loader
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def make_head(n_classes=3):
    head = nn.Linear(6, n_classes)
    with torch.no_grad():
        head.weight.copy_(torch.linspace(-1, 1, 6 * n_classes).reshape(n_classes, 6))
        head.bias.zero_()
    return head


def train(backbone, images, augment, rate=0.05, **settings):
    """Train for two steps an epoch; returns the losses, the shares right, and the weights of the head."""
    strategy = tl.Strategy([tl.Phase(["all", "head"], 3, rate, augment=augment)])
    head = make_head()
    settings = {"batch_size": 5, "optimizer": "sgd", "weight_decay": 0.0} | settings
    training = make_training(_copy(backbone), head, strategy, images, **settings)
    training.run()
    return [row["loss"] for row in training.history], [row["accuracy"] for row in training.history], head.weight


def _copy(backbone):
    copied = make_tiny_backbone()
    copied.load_state_dict(backbone.state_dict())
    copied.body["stage1"][3].p = 0.0
    return copied


def measure_slowly(backbone, images, mixing, *, smoothing=0.0, weights=None):
    """The loss of the first epoch, and the share right, step by step, picture by picture and class by class."""
    order = order_pictures(images.labels, 0, 0, None)
    weights = [1.0] * 3 if weights is None else weights.tolist()
    losses, n_correct = [], 0
    for step, indices in enumerate((order[:5], order[5:])):
        batch, labels = TrainingPictures(images, backbone.recipe, 0).batch(indices, "flip", 0)
        mixed, shares = mix_batch(batch, labels, mixing, 3, draw=(0, 0, step))
        with torch.no_grad():
            scores = make_head()(backbone(mixed)).double()
        total = total_weight = 0.0
        for row, share in zip(scores.tolist(), shares.tolist(), strict=True):
            log_sum = math.log(sum(math.exp(score) for score in row))
            for score, part, weight in zip(row, share, weights, strict=True):
                total -= weight * ((1 - smoothing) * part + smoothing / 3) * (score - log_sum)
                total_weight += weight * part
            n_correct += row.index(max(row)) == share.index(max(share))
        losses.append(total / total_weight)
    return sum(losses) / 2, n_correct / len(order)


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"balance": "weights", "label_smoothing": 0.1}])
def test_the_loss_of_mixed_pictures_is_that_of_a_slow_loop(images, backbone, mixing, settings):
    weights = weigh_classes(images.labels, 3) if settings.get("balance") else None
    smoothing = settings.get("label_smoothing", 0.0)
    slow = measure_slowly(backbone, images, mixing, smoothing=smoothing, weights=weights)
    # So slowly that the second step finds the network as the first did.
    losses, accuracies, _ = train(backbone, images, ["flip", mixing], rate=1e-9, **settings)
    assert (losses[0], accuracies[0]) == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("settings", [{}, {"balance": "weights", "label_smoothing": 0.1}])
def test_parts_of_a_step_are_mixed_as_the_whole(images, backbone, mixing, settings):
    whole = train(backbone, images, mixing, **settings)
    parts = train(backbone, images, mixing, micro_batch_size=2, **settings)
    assert whole[0] == pytest.approx(parts[0], abs=1e-5)
    assert torch.allclose(whole[2], parts[2], atol=1e-5)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_what_is_mixed_anew_is_never_computed_once(images, backbone, mixing):
    pictures = TrainingPictures(images, backbone.recipe, 0, n_views=2)
    assert list_views(pictures, ("crop", mixing), range(4)) == []
    assert list_views(pictures, "crop", range(4)) == [("crop", 0), ("crop", 1)]
    strategy = tl.Strategy([tl.Phase([-1, "head"], 2, 0.05, augment=["crop", mixing])])
    run = tl.transfer(backbone, images, strategy, n_views=2, progress=False)
    assert [row["frozen_prefix"] for row in run.history] == [None, None]


def test_steps_of_an_epoch_and_epochs_mix_in_their_own_shares(images, backbone, monkeypatch):
    from tlkit.training import step as step_module

    draws = []

    def watched(*arguments, draw):
        draws.append(draw)
        return mix_batch(*arguments, draw=draw)

    monkeypatch.setattr(step_module, "mix_batch", watched)
    strategy = tl.Strategy([tl.Phase(["all"], 2, 1e-3, augment="mixup")])
    tl.transfer(backbone, images, strategy, seed=4, batch_size=5, progress=False)
    assert draws == [(4, 0, 0), (4, 0, 1), (4, 1, 0), (4, 1, 1)]


@pytest.mark.parametrize("augment", ["cutmix", ("crop", "mixup")])
def test_a_run_that_was_stopped_mixes_on_to_the_same_bits(images, augment, tmp_path):
    strategy = tl.Strategy([tl.Phase(["all"], 3, 0.05, augment=augment)])
    settings = {"batch_size": 4, "progress": False, "seed": 2}
    whole = tl.transfer(make_tiny_backbone(), images, strategy, **settings)
    settings |= {"checkpoint": tmp_path / "run", "checkpoint_every_s": 0}
    stopped = tl.transfer(
        make_tiny_backbone(), images, strategy, callbacks=[lambda training: training.step == 5], **settings
    )
    assert not stopped.completed
    resumed = tl.transfer(make_tiny_backbone(), images, strategy, **settings)
    assert [row["loss"] for row in whole.history] == [row["loss"] for row in resumed.history]
    for name, value in whole.backbone.state_dict().items():
        assert torch.equal(value, resumed.backbone.state_dict()[name])


@pytest.mark.slow
def test_a_run_that_is_loaded_again_knows_its_policies(images, tmp_path):
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    strategy = tl.Strategy([tl.Phase(["head"], 1, 0.05, augment=["crop", "mixup"])])
    run = tl.transfer(backbone, images, strategy, progress=False)
    run.save(tmp_path)
    loaded = tl.load_run(tmp_path)
    assert tl.Phase(**loaded.strategy["phases"][0]) == strategy.phases[0]
    assert np.array_equal(loaded.predict(images[:2]), run.predict(images[:2]))


def test_every_name_is_described():
    assert not set(POLICIES) & set(MIXINGS)
    for name in (*POLICIES, *MIXINGS):
        assert f'- "{name}"' in tl.Phase.__doc__ or f'"{name}":' in tl.Phase.__doc__
