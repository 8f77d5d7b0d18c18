"""The class as an experiment: draws by pseudonym, submissions, and a pool that trusts no file."""

import hashlib
import json
import os
import types

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.lessons import progress


def make_comparison(student, gain=0.2, half=0.05, strategies=("linear_probe",)):
    """Return a stand-in for a comparison, with the fields that `submit` reads."""
    values = {"shots": 5, "gain": gain, "gain_low": gain - half, "gain_high": gain + half}
    rows = [{"strategy": name, **values} for name in ("hand_made", *strategies)]
    runs = pd.DataFrame({"seed": student.seeds})
    return types.SimpleNamespace(table=pd.DataFrame(rows), runs=runs, baseline="hand_made")


def submit(folder, pseudonym, course="tlkit", **settings):
    student = tl.lessons.enrol(pseudonym, course)
    return tl.lessons.submit(student, make_comparison(student, **settings), folder)


def test_draws_differ_between_students_and_courses_and_repeat():
    names = [f"student-{number}" for number in range(200)]
    students = [tl.lessons.enrol(name) for name in names]
    assert students == [tl.lessons.enrol(name) for name in names]
    assert len({student.draw for student in students}) >= 198
    assert len({seed for student in students for seed in student.seeds}) >= 1980
    counts = np.bincount([student.fold for student in students])
    assert len(counts) == 5 and counts.min() > 20
    assert tl.lessons.enrol("student-1", "another").draw != students[1].draw


@pytest.mark.parametrize("pseudonym", ["", "a b", "../x", "x" * 41, None, 7.5, "é\n"])
def test_a_pseudonym_is_a_plain_word(pseudonym):
    with pytest.raises(ValueError, match=r"pseudonym: .*, expected 1 to 40 letters"):
        tl.lessons.enrol(pseudonym)


def test_the_pseudonym_and_the_chips_come_from_the_progress_of_the_open_lesson(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", "01_why_transfer.ipynb")
    progress.find_file.cache_clear()
    assert tl.lessons.enrol(...).pseudonym is None
    student = tl.lessons.enrol("blue-owl")
    assert tl.lessons.enrol(...) == student
    progress.keep_entry("predictions", "gain", chips={"it grows": 10}, reason="my name is Ada", late=False)
    progress.find_file.cache_clear()
    content = json.loads(open_text(tl.lessons.submit(student, make_comparison(student))))
    assert content["predictions"] == {"gain": {"it grows": 10}}
    assert (content["gain"], content["seeds"], content["version"]) == (0.2, student.seeds, tl.__version__)
    progress.find_file.cache_clear()


def open_text(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert len(text) < 4000 and "Ada" not in text
    return text


def test_without_a_pseudonym_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Nothing was written" in tl.lessons.submit(tl.lessons.enrol(...), None)
    assert list(tmp_path.iterdir()) == []


def test_only_the_own_measurement_is_submitted(tmp_path):
    student, other = tl.lessons.enrol("one"), tl.lessons.enrol("two")
    with pytest.raises(ValueError, match="other seeds"):
        tl.lessons.submit(student, make_comparison(other), tmp_path)
    with pytest.raises(ValueError, match="comparison: 2 gains, expected one"):
        tl.lessons.submit(student, make_comparison(student, strategies=("linear_probe", "lp_ft")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_pool_counts_as_a_loop_does_and_grows(tmp_path):
    random = np.random.default_rng(0)
    gains = []
    for number in range(30):
        gains.append(float(random.normal(0.2, 0.03)))
        submit(tmp_path, f"s{number}", gain=gains[-1], half=0.04)
        if number in (0, 9):
            assert len(tl.lessons.pool(tmp_path).table) == number + 1
    pool = tl.lessons.pool(tmp_path)
    mean = sum(gains) / 30
    n_covering = sum(gain - 0.04 <= mean <= gain + 0.04 for gain in gains)
    assert pool.mean == pytest.approx(mean) and 0 < n_covering < 30
    assert pool.table["covers"].sum() == n_covering
    assert f"{n_covering} of 30 intervals cover the pooled mean, a gain of {mean:.3f}" in repr(pool)
    assert "26 to 30 would be usual" in repr(pool) and len(pool.rejected) == 0
    ax = pool.draw(Figure().subplots())
    assert [text.get_text() for text in ax.get_legend().get_texts()][1:] == [
        f"covers the pooled mean: {n_covering}",
        f"misses it: {30 - n_covering}",
    ]
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() in "os") == 30


def forge(**changes):
    """Return a function that changes a submission and renews its checksum, as one can who has read the code."""

    def change(content):
        content = {name: value for name, value in {**content, **changes}.items() if value is not ...}
        content.pop("checksum")
        text = json.dumps(content, sort_keys=True)
        return json.dumps(content | {"checksum": hashlib.sha256(text.encode()).hexdigest()})

    return change


TAMPERED = {
    "changed after": lambda content: json.dumps(content | {"gain": 0.3}),
    "damaged, incomplete": lambda content: json.dumps(content)[:-40],
    "more than 65536": lambda content: json.dumps(content | {"padding": "x" * 70_000}),
    "another course": forge(course="other"),
    "not those of its pseudonym": forge(fold=7),
    "its interval is none": forge(gain_low=0.9),
    "doesn't name": forge(shots="5"),
}
FORGED = {
    "the end lies outside": forge(gain_high=1e300),
    "it isn't finite": lambda content: forge(gain=float("nan"))(content),
    "a number is too large": forge(gain=10**400, gain_high=10**401),
    "a list for a name": forge(pseudonym=["x"]),
    "no gain": forge(gain=...),
    "a list": lambda content: "[]",
    "a nest": lambda content: "[" * 50_000,
    "other bytes": lambda content: "\ud800\udc00\0",
    "a lone surrogate": forge(pseudonym="\ud800"),
}


@pytest.mark.parametrize(("reason", "change"), [*TAMPERED.items(), *FORGED.items()])
def test_tampered_and_foreign_files_are_named(tmp_path, reason, change):
    path = submit(tmp_path, "honest")
    bad = tmp_path / "bad.json"
    bad.write_bytes(change(json.loads(open_text(path))).encode("utf-8", "surrogatepass"))
    os.remove(path)
    submit(tmp_path, "other")
    pool = tl.lessons.pool(tmp_path)
    assert list(pool.table["pseudonym"]) == ["other"]
    assert list(pool.rejected["file"]) == ["bad.json"] and "bad.json doesn't count: it" in repr(pool)
    if reason in TAMPERED:
        assert reason in pool.rejected["reason"][0]


def test_what_else_lies_in_the_folder_is_named_or_hidden(tmp_path):
    path = submit(tmp_path, "one")
    submit(tmp_path, "two")
    submit(tmp_path, "three")
    submit(tmp_path, "three", gain=0.1)
    (tmp_path / "four").mkdir()
    (tmp_path / "link.json").symlink_to(path)
    (tmp_path / ".hidden").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    student = tl.lessons.enrol("five")
    tl.lessons.submit(student, make_comparison(student, strategies=("lp_ft",)), tmp_path)
    pool = tl.lessons.pool(tmp_path)
    assert sorted(pool.table["pseudonym"]) == ["one", "two"]
    reasons = dict(pool.rejected.itertuples(index=False))
    assert len(reasons) == 6 and "a link or a folder" in reasons["pipe"] and "link.json" in reasons
    assert sum("three submitted different results" in reason for reason in reasons.values()) == 2
    assert any("lp_ft over hand_made at 5 shots" in reason for reason in reasons.values())


def test_the_same_result_twice_is_one_file(tmp_path):
    assert submit(tmp_path, "one") == submit(tmp_path, "one")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_result_with_other_predictions_counts_once(tmp_path):
    content = json.loads(open_text(submit(tmp_path, "one")))
    (tmp_path / "again.json").write_text(forge(predictions={"gain": {"it grows": 10}})(content))
    pool = tl.lessons.pool(tmp_path)
    assert len(pool.table) == 1 and "the same result before" in pool.rejected["reason"][0]


def test_names_of_files_are_printed_safely(tmp_path):
    (tmp_path / "a\x1b[31m.json").write_text("{}")
    assert "\x1b" not in repr(tl.lessons.pool(tmp_path))


def test_a_folder_of_thousands_of_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit.lessons.pooled_results._MOST_FILES", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(ValueError, match="has 4 files, expected at most 3"):
        tl.lessons.pool(tmp_path)
