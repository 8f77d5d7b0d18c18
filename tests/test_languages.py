"""Texts in the reader's language: files of translations, templates, and look-ups."""

import base64
import dataclasses
import html
import json
import re

import pytest

import tlkit as tl
from tlkit import languages
from tlkit.claims.ledger import find_claims
from tlkit.languages import find_language, read_translations, show, translate, translate_page
from tlkit.lessons import progress

FILE = r"""
msgid ""
msgstr "Language: xx\n"

#. here
msgid "lower"
msgstr "LOWER"

#, fuzzy
msgid "stale"
msgstr "STALE"

msgid ""
"two\n"
"\"lines\""
msgstr ""
"TWO\n"
"\"LINES\""

msgid "missing"
msgstr ""

msgid "{0} of {1} right."
msgstr "OF {1}, {0} RIGHT."

msgid "Hint: {0}"
msgstr "HINT: {0}"

msgid ", by {0}"
msgstr ", BY {0}"

msgid "{0} It is the best."
msgstr "{0} THE BEST."

msgid "{0} on {1}"
msgstr "ON {1}: {0}"
"""


@pytest.fixture
def xx(tmp_path, monkeypatch):
    """A language whose words are English in capitals, and which readers have."""
    (tmp_path / "xx/docs").mkdir(parents=True)
    (tmp_path / "xx/interface.po").write_text(FILE)
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    monkeypatch.setenv("TLKIT_LANGUAGE", "xx")
    caches = (read_translations, languages.read_words, languages._look_up, languages._read_templates)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("lower", "LOWER"),
        ("stale", "stale"),
        ("missing", "missing"),
        ("", ""),
        ('two\n"lines"', 'TWO\n"LINES"'),
        ("3 of lower right.", "OF LOWER, 3 RIGHT."),
        ("Hint: lower", "HINT: LOWER"),
        ("Hint: 1 of 2 right. Unknown", "HINT: OF 2, 1 RIGHT. Unknown"),
        ("1 of 2 right. 3 of 4 right.", "OF 2, 1 RIGHT. OF 4, 3 RIGHT."),
        ("1 of it. No 3 right.", "1 of it. No 3 right."),
        ("Hint: 3 of 4 right.", "HINT: OF 4, 3 RIGHT."),
        ("1 of 2 right, by lower.", "1 of 2 right, BY LOWER."),
        ("A sentence. It is the best.", "A sentence. THE BEST."),
        ("lower: 5 lower; other.", "LOWER: 5 LOWER; other."),
        ("a cat on a mat", "ON a mat: a cat"),
        ("A sentence of more than ten words on what nobody has translated.",) * 2,
    ],
)
def test_a_text_is_looked_up_whole_by_template_or_by_sentence(xx, text, translation):
    assert translate(text) == translation
    assert translate(text, "en") == text


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        (
            "It helps: +0.32 against random features (+0.20 to +0.45); about 9 seeds might be enough.",
            "有帮助：+0.32，相对 random features（+0.20 到 +0.45）；大约 9 个种子也许就够。",
        ),
        ("Passed: 12 of 14 pictures, an accuracy of 0.86.", "通过：14 张图片中对了 12 张，准确率 0.86。"),
        ("44 points", "44 个百分点"),
        ("first draw: 3", "第一次抽样：3"),
        ("helps 10, can't tell 2", "有帮助 10，无法判断 2"),
    ],
)
def test_parts_join_with_the_marks_of_chinese(text, translation):
    assert translate(text, "zh") == translation


def test_traits_are_shown_with_all_texts_in_them(xx):
    assert show({"text": "lower", "options": ["lower", 3, None]}) == {"text": "LOWER", "options": ["LOWER", 3, None]}


def test_the_language_is_that_of_the_variable_or_the_open_copy(monkeypatch):
    monkeypatch.delenv("TLKIT_LANGUAGE", raising=False)
    for name, language in [
        ("", "en"),
        ("/home/me/05_fine_tune.zh.ipynb", "zh"),
        ("05_fine_tune.zh (2).ipynb", "zh"),
        ("05_fine_tune.ipynb", "en"),
        ("notes.v2.ipynb", "en"),
    ]:
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        assert find_language() == language
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    assert find_language() == "zh"
    monkeypatch.setenv("TLKIT_LANGUAGE", "klingon")
    with pytest.warns(UserWarning, match="TLKIT_LANGUAGE: 'klingon', expected one of en, .*zh"):
        assert find_language() == "en"


def test_blocks_of_a_page_are_translated_and_others_stay():
    page = "# One\n\nTwo\nlines.\n\n```\nTwo\nlines.\n\nOne\n```\n\nOne more.\n\nOne more.\n"
    words = {"# One": "# EINS", "Two\nlines.": "ZWEI", "One more.": "NOCH EINS"}
    expected = "# EINS\n\nZWEI\n\n```\nTwo\nlines.\n\nOne\n```\n\nNOCH EINS\n\nNOCH EINS\n"
    assert translate_page(page, words) == expected


def test_a_check_speaks_the_readers_language_and_its_sentence_stays_the_key(monkeypatch):
    verdict = tl.lessons.check("01_pictures", ..., train=None, shots=20)
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    assert repr(verdict).startswith("还没有：") and verdict.sentence.startswith("no answer yet")


def test_claims_are_shown_in_the_readers_language_and_kept_in_english(monkeypatch):
    words, claims = languages.read_words("zh"), find_claims()
    english = "\n".join(
        f"{claim.sentence} (holds in {claim.n_holding} of {len(claim.replications)} replications)" for claim in claims
    )
    assert len(claims) > 100
    assert "\n".join(map(repr, claims)) == english and "(holds in 12 of 12 replications)" in english
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    for claim in claims:
        counts = claim.n_holding, len(claim.replications)
        rate = words["(holds in {0} of {1} replications)"].format(*counts)
        assert repr(claim) == f"{words[claim.sentence]} {rate}" and claim.sentence in english
        assert re.search("[\u4e00-\u9fff]", words[claim.sentence])
    new = dataclasses.replace(claims[0], sentence="1 < 2")
    new.__dict__["replications"] = claims[0].replications[:0]
    assert new._repr_html_() == "<p>1 &lt; 2 （还没有重复过）</p>"


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_specification_curve_has_no_english_name_in_another_language(monkeypatch):
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    # As if a font had the letters, on machines without one too.
    monkeypatch.setattr("tlkit.plots.style._find_family", lambda letter, families: families[0])
    claim, words = tl.claims.get("moving_norms_harm"), languages.read_words("zh")
    shown = html.unescape(claim._repr_html_())
    alt, drawing = re.search(r'alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]*)"', shown).groups()
    texts = re.findall("<text[^>]*>([^<]*)<", base64.b64decode(drawing).decode())
    assert shown.startswith(f"<details><summary>{words[claim.sentence]} （")
    assert words[claim.sentence] in alt and "：有害 12" in alt
    assert words[claim.effect] in texts and words[claim.effect] in alt
    for name, levels in claim.choices.items():
        level = words.get(str(levels[0]), levels[0])
        assert f"{words[name.replace('_', ' ')]}：{level}" in texts
    left = {text for text in texts if re.search("[A-Za-z]{2}", text)}
    assert left <= {"领域：clipart", "sketch"}  # domains are names in code
    explorer = tl.widgets.ClaimExplorer(claim).get_state()
    assert explorer["status"].startswith(words[claim.sentence]) and "：有害 12" in explorer["status"]
    assert [control["label"] for control in explorer["controls"]] == ["阶段数", "领域", "评分指标", "类别"]


def test_pooled_results_and_scores_are_shown_in_the_readers_language(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{")
    pool, score = tl.lessons.pool(tmp_path), tl.lessons.score_predictions()
    assert repr(pool) == "No submission yet.\na.json doesn't count: it is damaged, incomplete or no submission"
    sentence = "3 of 4 intervals cover the pooled mean, a gain of 0.1. "
    sentence += "If each covered the truth with 95%, 3 to 4 would be usual."
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    assert repr(pool) == "还没有人提交。\na.json 不计入：它已损坏、不完整，或者不是提交的文件"
    assert repr(dataclasses.replace(pool, sentence=sentence)).startswith(
        "4 个区间中有 3 个包含合并的均值（增益 0.1）。如果每个区间"
    )
    assert repr(score).startswith("还没有可以计分的预测。") and "<p>还没有可以计分的预测。" in score._repr_html_()
    assert tl.lessons.submit(tl.lessons.enrol(...), None).startswith("没有写入任何文件")


@pytest.mark.slow
def test_a_case_and_its_evidence_are_shown_in_the_readers_language_and_kept_in_english(monkeypatch):
    from tlkit.lessons.audits import AUDITS, specimens
    from tlkit.lessons.sabotage import Case, Evidence, Mark

    english = re.compile("[A-Za-z]{2,}")
    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    for name, audit in AUDITS.items():
        shown = repr(Evidence(name, 0.1, audit.limit, audit.statistic, audit.quantity, 0.05, 0.02, 0.08))
        assert shown.startswith(f"{name}: ") and "+0.050（+0.020 到 +0.080）。" in shown
        clean = repr(Evidence(name, 0.0, audit.limit, audit.statistic, audit.quantity))
        assert not any(english.search(text.removeprefix(name)) for text in (shown, clean))
    case = Case(0, 1, "swapped_metric")
    assert repr(case).startswith("案例 0：训练图片 ") and "随机权重 0." in repr(case) and "coins" not in repr(case)
    assert not any(map(english.search, case.flaws["sentence"])) and list(case.flaws["flaw"]) == list(specimens.FLAWS)
    false, right = case.accuse("label_shift", (0, 1)), case.acquit()
    assert repr(false).startswith("不是 label_shift：错误的指控扣 10 枚硬币")
    assert re.fullmatch(r"错误：缺陷是 swapped_metric。 得分：-?\d+。", repr(right))
    assert right.sentence == "Wrong: the flaw is swapped_metric."  # lessons read it
    found = Mark(True, True, 60, "Right: swapped_metric. The effect is +0.050, in your interval.")
    assert repr(found) == "正确：swapped_metric。效应是 +0.050，在你的区间里。 得分：60。"
    assert repr(Mark(True, True, 60, "Right: there is no flaw.")) == "正确：没有缺陷。 得分：60。"


def test_what_is_stored_is_english(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TLKIT_LANGUAGE", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "01_why_transfer.zh.ipynb")
    progress.find_file.cache_clear()
    prediction = tl.widgets.Prediction("gain", "Which class is larger?", ["it grows", "it shrinks"])
    prediction.keep({"it grows": 10})
    prediction.compare("it shrinks")
    progress.find_file.cache_clear()
    (entry,) = json.loads((tmp_path / "progress.json").read_text())["lessons"]["01"]["predictions"].values()
    assert entry["chips"] == {"it grows": 10} and entry["measured"] == "it shrinks"
    assert prediction.get_state()["options"] == ["增大", "减小"]
    assert prediction.get_state()["measured"] == "减小"


def test_figures_take_a_font_with_the_letters_or_stay_english(monkeypatch):
    from matplotlib.figure import Figure

    from tlkit.plots import style

    monkeypatch.setenv("TLKIT_LANGUAGE", "zh")
    ax = Figure().subplots()
    ax.set_xlabel("predicted class")
    has_font = bool(style._find_family("类", ("sans-serif",)))
    if has_font:
        style.make_texts_plain(ax.figure)
        assert ax.get_xlabel() == "预测类别"
        assert len(ax.xaxis.label.get_fontfamily()) > 1
    style._find_family.cache_clear()
    style._warn_once.cache_clear()
    monkeypatch.setattr(style, "_find_family", lambda letter, families: families[0] if letter.isascii() else None)
    ax.set_xlabel("true class")
    with pytest.warns(UserWarning, match="words in English: install a font"):
        style.make_texts_plain(ax.figure)
    assert ax.get_xlabel() == "true class"
    style._warn_once.cache_clear()
