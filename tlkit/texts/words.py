"""Words of texts in any script, and random changes of them."""

import itertools
import re

# Chinese, Japanese, Thai, Lao, Tibetan, Burmese and Khmer have no spaces between words, so each character stands alone.
_ALONE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3021-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_UNIT = re.compile(rf"[{_ALONE}][^\w\s]*\s*|[^\s{_ALONE}]+\s*")  # with its punctuation and spaces
_RUN = re.compile(rf"[{_ALONE}]+|[^\W{_ALONE}]+")
DROP_RATE = 0.3  # the best of Iyyer et al.


def list_terms(text):
    """Return the terms of a text, in lower case: words, and in scripts without spaces characters and pairs of them."""
    terms = []
    for run in _RUN.findall(text.lower()):
        if re.match(f"[{_ALONE}]", run):
            terms += [*run, *map("".join, itertools.pairwise(run))]
        else:
            terms.append(run)
    return terms


def drop_words(text, random, rate=DROP_RATE):
    """Return a text without some words, each dropped with probability `rate`; one word at least is kept."""
    # Iyyer et al. 2015, Deep unordered composition rivals syntactic methods for text classification. In scripts without
    # spaces each character counts as a word.
    words = _UNIT.findall(text)
    kept = random.random(len(words)) >= rate
    if not kept.any():
        kept[random.integers(len(words))] = True
    return "".join(word for word, is_kept in zip(words, kept, strict=True) if is_kept).rstrip()


def crop_words(text, random, share):
    """Return a run of words of a text; its share of all words is drawn between `share` and 1."""
    words = _UNIT.findall(text)
    n_kept = max(1, round(random.uniform(share, 1) * len(words)))
    start = random.integers(len(words) - n_kept + 1)
    return "".join(words[start : start + n_kept]).rstrip()
