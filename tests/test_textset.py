"""Sets of texts: the bundled one, and the methods they share with sets of pictures."""

import collections
import hashlib
import pickle

import numpy as np
import pytest
from made_pictures import make_picture

import tlkit as tl
from tlkit.texts.sources import EMOJI


@pytest.fixture(scope="module")
def emoji():
    return tl.load_texts("emoji")


def test_bundled_set_is_the_same_in_each_language(emoji):
    assert repr(emoji) == "TextSet(6280 texts, 7 classes, 1241 groups: de, en, fr, ja, zh)"
    parts = [emoji.select(domain=name) for name in ("en", "de", "fr", "ja", "zh")]
    assert {tuple(part.labels) for part in parts} == {tuple(parts[0].labels)}
    assert {tuple(part.groups) for part in parts} == {tuple(parts[0].groups)}
    assert [part.read(200) for part in parts[:2]] == ["water buffalo: animal, buffalo, water, zoo", parts[1].read(200)]


def test_translations_never_straddle_a_split(emoji):
    for fold in range(5):
        train, test = emoji.split(test_fold=fold)
        assert not set(train.groups) & set(test.groups) and 0.15 < len(test) / len(emoji) < 0.25
        english, chinese = (part.select(domain=name) for part, name in ((train, "en"), (test, "zh")))
        codes = [{name.split("/")[1] for name in part.names} for part in (english, chinese)]
        assert not codes[0] & codes[1]
        # A language alone is split as all together are.
        assert set(emoji.select(domain="zh").split(test_fold=fold)[1].names) == set(chinese.names)


def test_equal_texts_are_on_one_side(emoji):
    groups = collections.defaultdict(set)
    for row, group in enumerate(emoji.groups):
        groups[emoji.read(row)].add(group)
    assert all(len(found) == 1 for found in groups.values())


def test_licences_travel_with_the_texts(emoji):
    assert set(emoji.licences) == {"MIT AND Unicode-3.0"} and "licences/MIT.txt" in emoji.attribution_text
    assert {path.name for path in (EMOJI / "licences").iterdir()} == {"MIT.txt", "Unicode-3.0.txt"}
    assert "Miles Johnson" in (EMOJI / "licences" / "MIT.txt").read_text()
    assert emoji.attribution().loc[0].to_dict() == {
        "name": "en/1F600",
        "title": "😀 grinning face",
        "source": "emojibase-data 17.0.0, from Unicode CLDR: 1F600",
        "author": "Miles Johnson; contributors to Unicode CLDR",
        "licence": "MIT AND Unicode-3.0",
    }


def test_each_method_gives_a_set_of_texts(emoji):
    english, german = emoji.select(domain="en"), emoji.select(domain="de")
    made = [
        english[:20],
        english.few(2),
        *english.split(),
        english + german,
        english.with_groups("groups"),
        english.disjoint_from(german[:100]),
        english.with_classes(english.classes[::-1]),
        pickle.loads(pickle.dumps(english)),
        english[np.arange(5)],
    ]
    assert all(type(part) is tl.TextSet for part in made)
    assert (english + german).content_hash != english.content_hash == made[-2].content_hash
    assert len(made[1]) == 14 and made[1][0] == (made[1].read(0), made[1].labels[0])
    assert english.digest(3) == hashlib.sha256(english.read(3).encode()).hexdigest()


def test_texts_and_pictures_are_not_mixed(emoji):
    pictures = tl.load_images([(make_picture(number), "ab"[number % 2]) for number in range(4)])
    for left, right in ((emoji, pictures), (pictures, emoji)):
        with pytest.raises(TypeError, match="unsupported operand"):
            left + right


def test_messages_are_about_texts(emoji):
    with pytest.raises(ValueError, match="6280 texts are all in group"):
        emoji.with_groups(["one"] * 6280)
    with pytest.raises(ValueError, match="n_folds: 5, but there are only 2 groups, and 2 texts in the largest class"):
        emoji[[0, 1]].split(seed=1)
    with pytest.raises(ValueError, match="which have texts: add them, or leave their texts out"):
        emoji.with_classes(["food"])


def test_description_shows_counts_lengths_and_examples():
    rows = [("好" * n, "long" if n > 30 else "short", language) for n, language in ((1, "zh"), (10, "zh"), (11, "en"))]
    rows += [("a<b" * 20, "long", "en")]
    texts = tl.load_texts(
        [{"text": text, "label": label, "lang": language} for text, label, language in rows], domain="lang"
    )
    description = texts.describe()
    assert description.lengths.index.tolist() == ["1 to 10", "11 to 20", "21 to 50", "51 to 100"]
    assert description.lengths.to_dict("list") == {"en": [0, 1, 0, 1], "zh": [2, 0, 0, 0]}
    assert description.table.loc["short"].to_dict() == {"en": 1, "zh": 2, "total": 3, "groups": 3}
    assert f"long: {'a<b' * 20}" in repr(description)
    assert "a&lt;b" in description._repr_html_() and "a<b" not in description._repr_html_()


def test_what_needs_pixels_is_refused_in_one_line(emoji):
    texts = emoji[:20]
    for call in (
        lambda: tl.plots.draw_contact_sheet(texts, None),
        lambda: tl.plots.render_contact_sheet(texts),
    ):
        with pytest.raises(TypeError, match=r"a TextSet, expected pictures, whose pixels are needed here$"):
            call()
