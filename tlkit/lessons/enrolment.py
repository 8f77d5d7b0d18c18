"""A class as an experiment: each student measures with a draw of their own and hands the result in. Without torch."""

import collections
import hashlib
import json
import re
from pathlib import Path
from types import EllipsisType

import tlkit
from tlkit.languages import translate
from tlkit.lessons.progress import find_entry, find_file, keep_entry, read_file
from tlkit.notices import warn
from tlkit.storage import written_whole

N_FOLDS, N_SEEDS = 5, 10
_MOST_DRAWS = 100_000  # so that the seeds of two students rarely overlap
Enrolment = collections.namedtuple("Enrolment", "pseudonym course fold draw seeds")  # as `enrol` describes it


def enrol(pseudonym: str | EllipsisType, course: str = "tlkit") -> Enrolment:
    """Give a student a test fold, folds and seeds of their own, computed from course and pseudonym.

    In an open notebook, the pseudonym is kept in `progress.json` beside it.

    Parameters
    ----------
    pseudonym : str
        1 to 40 letters, digits, hyphens or underscores; not a real name, since it is handed in. `...` stands for the
        one that is kept, or for none.
    course : str
        Name of the course, the same for all students.

    Returns
    -------
    Enrolment
        Its `fold` and `draw` are for `images.split(fold, seed=draw)`, and its ten `seeds` for `compare`.

    Raises
    ------
    ValueError
        If the pseudonym is something else.

    Examples
    --------
    >>> enrol("blue-owl").fold
    4
    """
    if pseudonym is ...:
        pseudonym = find_entry("enrolment", course).get("pseudonym")
        if pseudonym is None:
            return Enrolment(None, course, 0, 0, list(range(N_SEEDS)))
    if not isinstance(pseudonym, str) or not re.fullmatch(r"[\w-]{1,40}", pseudonym):
        raise ValueError(f"pseudonym: {pseudonym!r}, expected 1 to 40 letters, digits, hyphens or underscores")
    if problem := keep_entry("enrolment", course, pseudonym=pseudonym):
        warn(problem)
    return Enrolment(pseudonym, course, *derive(pseudonym, course))


def derive(pseudonym, course):
    """Return the fold, draw and seeds of a student."""
    numbers = hashlib.sha256(f"{course}\n{pseudonym}".encode()).digest()
    draw, first = (int.from_bytes(part) % _MOST_DRAWS for part in (numbers[:8], numbers[8:16]))
    return draw % N_FOLDS, draw, [N_SEEDS * first + place for place in range(N_SEEDS)]


def submit(student: Enrolment, comparison: "tlkit.Comparison", folder: str | Path = ".") -> str:
    """Write a student's result to a small file, for the folder or USB stick of the class.

    Parameters
    ----------
    student : Enrolment
        Result of `enrol`.
    comparison : Comparison
        Two strategies, compared at one number of shots with the student's seeds.
    folder : str or path-like
        Where the file goes.

    Returns
    -------
    str
        The name of the file, or why there is none. It holds the version, the enrolment, the gain with its interval,
        and the chips of the predictions that the student kept, without their reasons.

    Raises
    ------
    ValueError
        If the comparison has several gains, or other seeds.

    Examples
    --------
    >>> submit(enrol(...), None)
    'Nothing was written: enrol with a pseudonym first.'
    """
    if student.pseudonym is None:
        return translate("Nothing was written: enrol with a pseudonym first.")
    gains = comparison.table[comparison.table["strategy"] != comparison.baseline]
    if len(gains) != 1:
        raise ValueError(f"comparison: {len(gains)} gains, expected one: compare two strategies at one number of shots")
    if set(comparison.runs["seed"]) != set(student.seeds):
        raise ValueError(f"comparison: measured with other seeds than {student.seeds}; pass seeds=student.seeds")
    (row,) = gains.to_dict("records")
    content = student._asdict() | {"version": tlkit.__version__, "baseline": comparison.baseline}
    content |= {name: row[name] for name in ("strategy", "shots", "gain", "gain_low", "gain_high")}
    path, lesson = find_file()
    kept = read_file(path)["lessons"].get(lesson, {}).get("predictions", {}) if lesson and path.exists() else {}
    content["predictions"] = {name: entry.get("chips") for name, entry in kept.items()}
    content["checksum"] = compute_checksum(content)
    target = Path(folder).expanduser() / f"submission-{student.pseudonym}-{content['checksum'][:8]}.json"
    with written_whole(target) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    return str(target)


def compute_checksum(content):
    """Return the checksum (hexadecimal) of the content of a submission, apart from its own."""
    values = {name: value for name, value in content.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
