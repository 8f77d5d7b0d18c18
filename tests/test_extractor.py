"""The network as a step of scikit-learn: what it takes, and what pipelines and searches do with it."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from made_networks import make_tiny_backbone
from made_pictures import write_classes
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks, get_tags

import tlkit as tl
from tlkit.features import extract

N_PICTURES = 12


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory):
    """One cache for this file, so that each network is converted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return tl.load_images(write_classes(folder, {"bird": 6, "bug": N_PICTURES - 6}))


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.fixture(scope="module")
def values(backbone, images):
    return tl.extract_features(backbone, images, progress=False).values


@pytest.fixture
def n_computed(monkeypatch, tmp_path):
    """An empty cache, and a list that holds how many pictures each extraction really computed."""
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    counted, real = [], extract.read_crops

    def read_crops(images, indices, *rest):
        counted.append(len(indices))
        return real(images, indices, *rest)

    monkeypatch.setattr(extract, "read_crops", read_crops)
    return counted


def make_extractor(backbone, **settings):
    return tl.FeatureExtractor(backbone, **{"engine": "torch"} | settings)


def list_paths(images):
    return [str(picture.path) for picture in images.pictures]


def read_arrays(images):
    return np.stack([np.asarray(picture) for picture, _ in images])


@pytest.mark.parametrize(
    "take",
    [
        lambda images: images,
        list_paths,
        lambda images: [picture.path for picture in images.pictures],
        lambda images: np.array(list_paths(images)),
        lambda images: np.array(list_paths(images), dtype=object),
        lambda images: np.array(list_paths(images), dtype=object)[:, np.newaxis],
        lambda images: pd.DataFrame({"path": list_paths(images)})["path"],
        read_arrays,
        lambda images: list(read_arrays(images)),
        lambda images: [picture for picture, _ in images],
        list,
        lambda images: [(path, "bird") for path in list_paths(images)],
    ],
    ids=[
        "set",
        "str",
        "Path",
        "texts",
        "objects",
        "column",
        "series",
        "array",
        "arrays",
        "pictures",
        "pairs",
        "labelled_paths",
    ],
)
def test_pictures_of_every_form_give_the_bits_that_their_image_set_gives(take, images, backbone, values):
    extractor = make_extractor(backbone, engine="auto")
    taken = take(images)
    assert np.array_equal(extractor.fit_transform(taken), values)
    assert np.array_equal(extractor.transform(taken[3:7]), values[3:7])


def test_gray_and_transparent_arrays_are_what_their_files_would_be(backbone, tmp_path):
    random = np.random.default_rng(0)
    for shape, mode in (((20, 24), "L"), ((20, 24, 1), "L"), ((20, 24, 4), "RGBA")):
        pixels = random.integers(0, 256, (2, *shape), dtype=np.uint8)
        paths = [tmp_path / f"{mode}{number}.png" for number in range(2)]
        for path, picture in zip(paths, pixels, strict=True):
            Image.fromarray(picture.reshape(shape[:2]) if mode == "L" else picture, mode=None).save(path)
        extractor = make_extractor(backbone)
        assert np.array_equal(extractor.transform(pixels), extractor.transform(paths)), shape
        opened = [Image.open(path) for path in paths]
        assert np.array_equal(extractor.transform(opened), extractor.transform(paths)), shape
        for picture in opened:
            picture.close()


def test_pixels_that_were_changed_in_place_are_computed_anew(images, backbone, values):
    arrays = read_arrays(images)
    extractor = make_extractor(backbone, engine="auto")
    assert np.array_equal(extractor.transform(arrays), values)
    arrays[0] = 255 - arrays[0]
    changed = extractor.transform(arrays)
    assert not np.array_equal(changed[0], values[0])
    assert np.array_equal(changed[1:], values[1:])


def test_no_pictures_give_no_rows_of_the_right_width(backbone, images):
    for nothing in ([], images[:0], np.zeros((0, 8, 8, 3), np.uint8)):
        assert make_extractor(backbone).transform(nothing).shape == (0, 6)


def test_a_picture_alone_is_a_list_of_one(backbone):
    picture = Image.new("RGB", (20, 16), "red")
    extractor = make_extractor(backbone)
    assert np.array_equal(extractor.transform(picture), extractor.transform([picture]))


@pytest.mark.parametrize(
    ("pictures", "kind", "words"),
    [
        ("cat.png", FileNotFoundError, r"pictures: item 0 is '.*cat\.png', which is no file"),
        (5, TypeError, r"pictures: a int, expected an ImageSet, a path, a picture or a list"),
        (
            pd.DataFrame({"path": ["cat.png"], "age": [3]}),
            TypeError,
            r"a whole table, expected its column.*table\['path'\]",
        ),
        (["nowhere/cat.png"], FileNotFoundError, r"pictures: item 0 is 'nowhere/cat.png', which is no file"),
        ([Image.new("RGB", (4, 4)), 1.5], TypeError, r"pictures: item 1 is a float, expected a path, a PIL picture"),
        (np.zeros((2, 8, 8, 3)), TypeError, r"item 0 is an array of float64, expected uint8; bring it to 0 to 255"),
        (np.zeros((8, 8, 3), np.uint8), ValueError, r"shape \(8, 8, 3\).*one picture alone is picture\[np.newaxis\]"),
        (np.zeros((8, 8), np.uint8), ValueError, r"shape \(8, 8\), expected \(n, height, width, 3\)"),
        (
            np.zeros((2, 3, 8, 8), np.uint8),
            ValueError,
            r"shape \(3, 8, 8\), expected the colours last",
        ),
        (np.zeros((2, 0, 8, 3), np.uint8), ValueError, r"item 0 is an array of shape \(0, 8, 3\)"),
    ],
)
def test_what_is_no_picture_is_named(pictures, kind, words, backbone):
    with pytest.raises(kind, match=words):
        make_extractor(backbone).transform(pictures)


def test_parameters_are_stored_as_given_and_checked_when_they_are_used(images, backbone):
    odd = make_extractor("no network", engine="abacus", precision="some", image_size_px="big", weights=4)
    assert odd.get_params()["engine"] == "abacus"
    assert odd.get_params()["image_size_px"] == "big"
    with pytest.raises(ValueError, match=r"engine: 'abacus' is unknown; known: 'auto'"):
        odd.fit(images)
    with pytest.raises(ValueError, match=r"precision: 'some' is unknown; known: 'exact', 'fast'"):
        make_extractor(backbone, precision="some").fit(images)
    with pytest.raises(ValueError, match=r"nearest: 'resnet18'"):
        make_extractor("resnet81").transform(images)
    with pytest.raises(TypeError, match=r"backbone: a int, expected a Backbone.*or a name"):
        make_extractor(3).fit(images)
    for settings, words in (
        ({"image_size_px": 32}, "image_size_px: 32, expected None"),
        ({"weights": None}, "weights"),
    ):
        for method in ("fit", "transform"):
            with pytest.raises(ValueError, match=words):
                getattr(make_extractor(backbone, **settings), method)(images)


def test_stages_and_maps(images, backbone):
    for settings, shape in (
        ({"stage": "stem"}, (N_PICTURES, 4)),
        ({"stage": -2}, (N_PICTURES, 4)),
        ({"stage": "stem", "pooled": False}, (N_PICTURES, 4, 7, 7)),
        ({"pooled": False}, (N_PICTURES, 6, 5, 5)),
    ):
        extractor = make_extractor(backbone, **settings)
        expected = tl.extract_features(backbone, images, "torch", progress=False, **settings).values
        assert extractor.transform(images).shape == shape
        assert np.array_equal(extractor.transform(images), expected)


def test_features_have_names_and_come_as_a_table(images, backbone, values):
    assert list(make_extractor(backbone).get_feature_names_out()) == [f"tiny_{number}" for number in range(6)]
    assert list(make_extractor(backbone, stage=-2).get_feature_names_out(["x"]))[:2] == ["tiny_stem_0", "tiny_stem_1"]
    with pytest.raises(ValueError, match=r"pooled: False gives maps.*take pooled=True"):
        make_extractor(backbone, pooled=False).get_feature_names_out()
    for pictures in (images, list_paths(images)):
        table = make_extractor(backbone, engine="auto").set_output(transform="pandas").fit_transform(pictures)
        assert list(table.columns) == [f"tiny_{number}" for number in range(6)]
        assert np.array_equal(table.to_numpy(), values)
    rows = pd.Series(list_paths(images), index=range(100, 100 + N_PICTURES))
    table = make_extractor(backbone).set_output(transform="pandas").transform(rows)
    assert table.index[0] == 100


def test_an_image_set_is_split_without_decoding_a_picture(images, monkeypatch):
    monkeypatch.setattr(tl.ImageSet, "read", lambda *arguments: pytest.fail("a picture was decoded"))
    train, test = train_test_split(images, test_size=4, random_state=0)
    assert isinstance(train, tl.ImageSet)
    assert (len(train), len(test)) == (N_PICTURES - 4, 4)
    assert set(train.names) | set(test.names) == set(images.names)


def test_a_search_computes_each_picture_once(images, backbone, n_computed):
    pipeline = make_pipeline(make_extractor(backbone), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1, 10]}, cv=3)
    search.fit(images, images.labels)
    assert sum(n_computed) == N_PICTURES
    assert search.predict(images[:3]).shape == (3,)
    assert sum(n_computed) == N_PICTURES


def test_a_search_chooses_among_stages(images, backbone, n_computed):
    pipeline = make_pipeline(make_extractor(backbone), LogisticRegression())
    search = GridSearchCV(pipeline, {"featureextractor__stage": [None, "stem"]}, cv=2)
    search.fit(list_paths(images), images.labels)
    assert sum(n_computed) == 2 * N_PICTURES
    assert len(search.cv_results_["mean_test_score"]) == 2


def test_without_the_cache_nothing_is_kept(images, backbone, n_computed, tmp_path):
    extractor = make_extractor(backbone, cache=False)
    before = dict(vars(extractor))
    for _ in range(2):
        extractor.fit_transform(images)
    assert n_computed == [N_PICTURES, N_PICTURES]
    assert vars(extractor) == before
    assert not list((tmp_path / "cache").rglob("*.shard"))


def test_cross_validation_keeps_groups_together(images, backbone):
    groups = np.repeat(np.arange(4), 3)
    labels = np.tile([0, 1, 0], 4)
    seen = []

    class Recording(LogisticRegression):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

    pipeline = make_pipeline(make_extractor(backbone), Recording())
    scores = cross_val_score(pipeline, images, labels, groups=groups, cv=GroupKFold(4), error_score="raise")
    assert scores.shape == (4,)
    expected = make_extractor(backbone).transform(images)
    for X, (train, _) in zip(seen, GroupKFold(4).split(expected, groups=groups), strict=True):
        assert np.array_equal(X, expected[train])


def test_a_clone_shares_the_network_and_no_setting(backbone, monkeypatch):
    monkeypatch.setattr(type(backbone), "__deepcopy__", lambda *rest: pytest.fail("it was copied"), raising=False)
    extractor = make_extractor(backbone, stage=-2, cache=False).set_output(transform="pandas")
    copied = clone(extractor)
    assert copied is not extractor
    assert copied.backbone is extractor.backbone is backbone
    assert copied.get_params() == extractor.get_params()
    copied.set_params(stage=-1).set_output(transform="default")
    assert extractor.stage == -2
    assert extractor._sklearn_output_config == {"transform": "pandas"}
    assert clone(make_pipeline(extractor))[0].backbone is backbone
    assert clone(tl.FeatureExtractor("resnet18")).backbone == "resnet18"


@pytest.mark.slow
def test_a_pickle_by_name_holds_no_network(images):
    extractor = tl.FeatureExtractor(image_size_px=32)
    values = extractor.fit_transform(images)
    content = pickle.dumps(extractor)
    assert len(content) < 1000
    assert np.array_equal(pickle.loads(content).transform(images), values)


def test_a_pickle_with_a_backbone_brings_its_weights(images, backbone, values):
    pipeline = make_pipeline(make_extractor(backbone, engine="auto"), LogisticRegression()).fit(images, images.labels)
    loaded = pickle.loads(pickle.dumps(pipeline))
    assert loaded[0].backbone is not backbone
    assert np.array_equal(loaded[0].transform(images), values)
    assert np.array_equal(loaded.predict(images), pipeline.predict(images))


def test_it_is_drawn_as_a_diagram_with_its_parameters(backbone):
    # Warnings are errors here: scikit-learn warns of a docstring that it can't read.
    html = make_pipeline(tl.FeatureExtractor("resnet18", stage=-2), LogisticRegression())._repr_html_()
    assert "FeatureExtractor" in html
    assert "resnet18" in html
    assert "tiny" in make_extractor(backbone)._repr_html_()
    assert repr(tl.FeatureExtractor("resnet18", stage=-2)) == "FeatureExtractor(backbone='resnet18', stage=-2)"


def test_scikit_learn_is_told_that_it_takes_pictures_and_needs_no_fit():
    tags = get_tags(tl.FeatureExtractor())
    assert (tags.requires_fit, tags.no_validation) == (False, True)
    assert not tags.input_tags.two_d_array


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_the_checks_of_scikit_learn_that_need_no_table_of_numbers_pass(check):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(estimator_checks, check)("FeatureExtractor", tl.FeatureExtractor())


@pytest.mark.slow
def test_by_name_a_network_that_was_converted_before_runs_without_torch(images):
    tl.FeatureExtractor(image_size_px=32).transform(images)  # remembered and converted
    code = (
        "import sys, tlkit as tl\n"
        "extractor = tl.FeatureExtractor(image_size_px=32)\n"
        "assert extractor.fit_transform(sys.argv[1:]).shape[1] == len(extractor.get_feature_names_out()) == 1280\n"
        "assert not {'torch', 'torchvision', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *list_paths(images)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
