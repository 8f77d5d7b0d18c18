"""The pooled results of a class: whose interval covers the mean of all. Without torch."""

import collections
import dataclasses
import json
import math
from pathlib import Path

import pandas as pd

from tlkit.evaluation.intervals import LEVEL
from tlkit.languages import translate
from tlkit.lessons.enrolment import compute_checksum, derive
from tlkit.names import make_printable

_MOST_BYTES, _MOST_FILES = 65_536, 1000
_MEASURED = ("strategy", "baseline", "shots")
_RESULT = ("pseudonym", "gain", "gain_low", "gain_high")
_TEXTS = ("pseudonym", "strategy", "baseline")


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The results of a class, as `pool` describes them; displays as a sentence above the files that don't count."""

    table: pd.DataFrame
    rejected: pd.DataFrame
    mean: float
    sentence: str

    def __repr__(self):
        named = [f"{row.file} doesn't count: {row.reason}" for row in self.rejected.itertuples()]
        return "\n".join(make_printable(translate(line)) for line in [self.sentence, *named])

    def draw(self, ax):
        """Draw the intervals, and the pooled mean, on matplotlib's Axes; return these."""
        from tlkit.plots.gains import draw_pool

        return draw_pool(self.table, self.mean, ax)


def pool(folder: str | Path, course: str = "tlkit") -> Pool:
    """Read the submissions of a class, and count the intervals that cover the mean of all.

    Call it again while submissions arrive. Files are only read as text of up to 64 kB, nothing in them is run. The
    checksum finds damage and careless changes; a forger could compute it too. To check a result, measure it again.

    Parameters
    ----------
    folder : str or path-like
        Folder with up to 1,000 files that `submit` wrote.
    course : str
        Name of the course in `enrol`.

    Returns
    -------
    Pool
        Displays as a sentence. It has a method `draw(ax)`, the pooled `mean`, and two tables:

        - table: one row per student, with pseudonym (str), gain, gain_low, gain_high (float), fold (int), and covers
          (bool), whether the interval covers the mean.
        - rejected: the file and the reason (str) of all that doesn't count.

    Raises
    ------
    ValueError
        If there are more files.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pool(folder)
    No submission yet.
    """
    paths = sorted(path for path in Path(folder).expanduser().iterdir() if not path.name.startswith("."))
    if len(paths) > _MOST_FILES:
        raise ValueError(f"folder: {folder} has {len(paths)} files, expected at most {_MOST_FILES}")
    read, rejected = {}, {}
    for path in paths:
        try:
            read[path.name] = _read(path, course)
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            rejected[path.name] = str(error) if type(error) is ValueError else "it is no submission"
    kinds = collections.Counter(tuple(content[name] for name in _MEASURED) for content in read.values())
    results = {tuple(content[name] for name in _RESULT) for content in read.values()}
    n_results, accepted = collections.Counter(name for name, *_ in results), {}
    for file, content in read.items():
        name = content["pseudonym"]
        if n_results[name] > 1:
            rejected[file] = f"{name} submitted different results; remove all but one"
        elif tuple(content[name] for name in _MEASURED) != kinds.most_common(1)[0][0]:
            rejected[file] = f"it measured {content['strategy']} over {content['baseline']} at {content['shots']} shots"
        elif name in accepted:
            rejected[file] = f"{name} submitted the same result before"
        else:
            accepted[name] = content
    table = pd.DataFrame(accepted.values(), columns=[*_RESULT, "fold"])
    mean = float(table["gain"].mean())
    table["covers"] = (table["gain_low"] <= mean) & (mean <= table["gain_high"])
    sentence = "No submission yet."
    if len(table):
        from scipy.stats import binom

        low, high = map(int, binom.interval(0.95, len(table), LEVEL))
        sentence = (
            f"{table['covers'].sum()} of {len(table)} intervals cover the pooled mean, a gain of {mean:.3f}. If each "
            f"covered the truth with {LEVEL:.0%}, {low} to {high} would be usual."
        )
    return Pool(table, pd.DataFrame(sorted(rejected.items()), columns=["file", "reason"]), mean, sentence)


def _read(path, course):
    """Return the content of a submission; raise ValueError with the reason if it doesn't count."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or a folder")
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    try:
        content = json.loads(text)
    except ValueError:
        raise ValueError("it is damaged, incomplete or no submission") from None
    if content["checksum"] != compute_checksum(content):
        raise ValueError("it was changed after it was written")
    if content["course"] != course:
        raise ValueError("it belongs to another course")
    if derive(content["pseudonym"], course) != tuple(content[name] for name in ("fold", "draw", "seeds")):
        raise ValueError("its fold, draw or seeds are not those of its pseudonym")
    low, gain, high = (content[name] for name in ("gain_low", "gain", "gain_high"))
    if not all(math.isfinite(value) for value in (low, gain, high)) or not -1 <= low <= gain <= high <= 1:
        raise ValueError("its interval is none")
    if not isinstance(content["shots"], int) or not all(isinstance(content[name], str) for name in _TEXTS):
        raise ValueError("it doesn't name what was measured")
    return content
