"""The map of features: places, neighbours, the drawing, and the explorer without a browser."""

import base64
import dataclasses
import io
import re
import threading

import numpy as np
import pytest
import traitlets
from made_features import make_features
from made_pictures import write_classes
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial.distance import cdist

import tlkit as tl
from tlkit.plots.feature_map import choose_looks, draw_feature_map, name_axes
from tlkit.summaries.projection import choose_perplexity, find_neighbors, project_features, share_same_class
from tlkit.widgets import FeatureMapExplorer, feature_map_explorer


@pytest.fixture
def features():
    return make_features(n_pictures=24)


@pytest.fixture
def images(tmp_path):
    return tl.load_images(write_classes(tmp_path / "pets", {"cat": 8, "dog": 7}))


@pytest.fixture
def view(images):
    return FeatureMapExplorer(features_of(images), images)


def features_of(images):
    values = np.random.default_rng(0).normal(size=(len(images), 6)) + 2 * images.labels[:, None]
    return tl.Features(values.astype(np.float32), images.labels, images.classes, images.names, images.groups, {})


def test_principal_components_are_those_of_the_covariance(features):
    positions = project_features(features)
    centred = features.values.astype(float) - features.values.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    expected = centred @ vectors[:, [-1, -2]]
    expected *= np.sign((expected * positions).sum(axis=0))
    np.testing.assert_allclose(positions, expected, atol=1e-4)
    assert (positions.shape, positions.dtype) == ((24, 2), np.float32)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_the_same_again_and_whatever_the_seed_of_others(features, method):
    first = project_features(features, method)
    np.random.seed(5)
    np.testing.assert_array_equal(project_features(features, method), first)


def test_t_sne_keeps_clusters_apart(features):
    far = dataclasses.replace(features, values=features.values + 100 * np.eye(4, dtype=np.float32)[features.labels])
    positions = project_features(far, "tsne")
    distances = cdist(positions, positions) + np.diag(np.full(len(positions), np.inf))
    assert (far.labels[distances.argmin(axis=1)] == far.labels).all()


def test_perplexity_is_lowered_for_few_pictures():
    assert choose_perplexity(2000) == 30
    assert choose_perplexity(4) == 1
    assert project_features(make_features(n_pictures=4), "tsne").shape == (4, 2)


def test_what_has_no_map_is_refused(features):
    with pytest.raises(ValueError, match=r"method: 'tsnee' is unknown; nearest: 'tsne'"):
        project_features(features, "tsnee")
    with pytest.raises(ValueError, match=r"maps of shape \(6, 4, 3, 3\).*pooled=True"):
        project_features(make_features(n_pictures=6, map_size=3))
    with pytest.raises(ValueError, match="3 pictures × 4 features, expected at least 4"):
        project_features(features[:3])
    with pytest.raises(ValueError, match="the same for every picture"):
        project_features(dataclasses.replace(features, values=np.ones_like(features.values)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        project_features(dataclasses.replace(features, values=features.values * np.nan))
    with pytest.raises(TypeError, match="a ndarray, expected Features"):
        project_features(features.values)


def test_neighbours_equal_those_of_a_slow_loop(features):
    grouped = dataclasses.replace(features, groups=np.array([str(number // 3) for number in range(24)]))
    for index in range(24):
        rows = []
        for other in range(24):
            a, b = (features.values[place].astype(float) for place in (index, other))
            if other // 3 != index // 3:
                rows.append((-a @ b / np.sqrt(a @ a * (b @ b)), other))
        rows.sort()
        found, similarities = find_neighbors(grouped, index, 4)
        assert found.tolist() == [other for _, other in rows[:4]]
        np.testing.assert_allclose(similarities, [-negative for negative, _ in rows[:4]], atol=1e-6)


def test_a_picture_is_not_its_own_neighbour_even_where_a_copy_is(features):
    doubled = dataclasses.replace(features, values=np.repeat(features.values[::2], 2, axis=0))
    found, similarities = find_neighbors(doubled, 4, 1)
    assert (found.tolist(), similarities.round(6).tolist()) == ([5], [1.0])
    assert len(find_neighbors(features, 0, 100)[0]) == 23


def test_a_picture_that_is_not_there_is_refused(features):
    with pytest.raises(ValueError, match="index: 24, expected a whole number from 0 to 23"):
        find_neighbors(features, 24)
    with pytest.raises(ValueError, match="index: True"):
        find_neighbors(features, True)


def test_the_share_leaves_groups_out_and_equals_a_loop(features):
    grouped = dataclasses.replace(features, groups=np.array([str(number // 2) for number in range(24)]))
    same = [features.labels[find_neighbors(grouped, index, 1)[0][0]] == features.labels[index] for index in range(24)]
    assert share_same_class(grouped) == pytest.approx(np.mean(same))
    assert 0 < np.mean(same) < 1
    assert np.isnan(share_same_class(dataclasses.replace(features, groups=np.repeat("one", 24))))


def test_the_axes_say_how_much_of_the_variance_they_show(features):
    from sklearn.decomposition import PCA

    shares = PCA(2).fit(features.values).explained_variance_ratio_
    axes = name_axes(features, project_features(features), "pca")
    assert axes == [f"principal component {axis}: {share:.0%} of the variance" for axis, share in enumerate(shares, 1)]


def test_the_drawing_has_a_look_for_each_class_and_warns(features):
    ax = draw(features, method="tsne")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"class{label} ({(features.labels == label).sum()})" for label in range(3)
    ]
    assert ax.get_xlabel() == "t-SNE 1, no unit"
    assert "below the usual 30" in ax.texts[0].get_text()
    assert "mean nothing" in ax.texts[0].get_text()
    assert len(set(choose_looks(49))) == 49


def test_the_drawing_colours_by_what_it_is_given(features):
    ax = draw(features, kinds=np.where(np.arange(24) < 10, "photo", "sketch"))
    assert [len(points.get_offsets()) for points in ax.collections] == [10, 14]
    with pytest.raises(ValueError, match=r"kinds: shape \(2,\)"):
        draw(features, kinds=["photo", "sketch"])
    with pytest.raises(ValueError, match=r"positions: shape \(3, 2\), expected \(24, 2\)"):
        draw(features, positions=np.zeros((3, 2)))


def draw(features, **settings):
    return draw_feature_map(features, Figure().subplots(), **settings)


def test_a_selected_picture_is_shown_with_its_neighbours(view, images):
    assert view.near == []
    view.selected = 3
    found, similarities = find_neighbors(view.features, 3, 5)
    assert [figure["index"] for figure in view.near] == [3, *found]
    assert view.near[0]["name"] == images.names[3]
    same = "same class" if images.labels[found[0]] == images.labels[3] else "another class"
    assert view.near[1]["relation"] == f"similarity {similarities[0]:.3f}, {same}"
    encoded = view.near[0]["source"].removeprefix("data:image/webp;base64,")
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        assert max(picture.size) <= 128
    n_same = (images.labels[found] == images.labels[3]).sum()
    assert f"{n_same} of its 5 nearest neighbours are of its class" in view.status
    view.selected = None
    assert view.near == []


def test_t_sne_is_computed_when_it_is_asked_for(view):
    before = view.frame
    view.method = "tsne"
    view.wait()
    assert (view.computing, view.error) == (False, None)
    np.testing.assert_array_equal(view._maps["tsne"], project_features(view.features, "tsne"))
    assert "mean nothing" in view.frame
    assert view.shown == ["tsne", "class", None]
    view.method = "pca"
    assert view.frame == before


def test_the_old_map_stays_while_t_sne_is_computed(view, monkeypatch):
    reached, opened, real = threading.Event(), threading.Event(), feature_map_explorer.project_features

    def project(*arguments):
        reached.set()
        assert opened.wait(60)
        return real(*arguments)

    monkeypatch.setattr(feature_map_explorer, "project_features", project)
    before = view.frame
    view.method = "tsne"
    assert reached.wait(60)
    assert (view.computing, view.frame) == (True, before)
    assert view.status.startswith("Computing t-SNE of 15 pictures")
    view.selected = 2
    assert len(view.near) == 6
    opened.set()
    assert view.wait().frame != before
    assert view.selected == 2
    assert "of its 5 nearest neighbours" in view.status


def test_each_point_has_its_name_and_its_picture(view, images, monkeypatch):
    place = 9
    numbers, words = re.search(r'id="point:\*(8[^|]*)\|([^"]*)"', view.frame).groups()
    assert words.split("\n")[numbers.split(",").index("9")] == f"{images.names[place]}: dog"
    sent = []
    monkeypatch.setattr(view, "send", sent.append)
    view._handle_custom_msg({"index": place}, [])
    assert (sent[0]["index"], sent[0]["name"]) == (place, images.names[place])
    assert sent[0]["source"].startswith("data:image/webp;base64,")


def test_the_selected_picture_is_drawn_on_the_map(view):
    assert view.drawing == ""
    frame = view.frame
    view.selected = 3
    assert view.drawing.count("<path") >= 6
    assert view.frame == frame
    assert view.snapshot().data != view._find_page().render_still([])


def test_what_cannot_be_selected_is_a_trait_error(view):
    for name, value in (("selected", 15), ("selected", -1), ("method", "umap"), ("colour_by", "size")):
        with pytest.raises(traitlets.TraitError):
            setattr(view, name, value)
    assert (view.selected, view.method, view.colour_by) == (None, "pca", "class")


def test_a_picture_that_cannot_be_read_is_said(view, images, tmp_path):
    # One that the unreadable picture is no neighbour of.
    sound = next(index for index in range(1, 15) if 0 not in find_neighbors(view.features, index)[0])
    view.selected = sound
    kept = view.near
    (tmp_path / "pets" / "cat" / "0.png").unlink()
    view.selected = 0
    assert view.status.startswith("This could not be shown: ")
    assert view.error is not None
    assert view.near == kept
    view.selected = sound
    assert view.error is None
    assert "nearest neighbours are of its class" in view.status


def test_images_that_do_not_belong_to_the_features_are_refused(images):
    features = features_of(images)
    with pytest.raises(ValueError, match=r"images: 14 pictures for the features of 15; pass the images"):
        FeatureMapExplorer(features, images[:14])
    with pytest.raises(ValueError, match=r"images: picture 0 is .* in the same order"):
        FeatureMapExplorer(features, images[::-1])


def test_readers_without_widgets_see_a_still_map(view):
    bundle, _ = view._repr_mimebundle_()
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.size == (840, 520)
    assert bundle["text/plain"] == repr(view) == "FeatureMapExplorer(15 pictures, PCA, by class)"


def test_building_an_explorer_displays_nothing(images, capsys):
    FeatureMapExplorer(features_of(images), images)
    assert capsys.readouterr() == ("", "")
