"""Exercises of lesson 13: the share of unknown tokens, and the share of a gap that an alignment wins back."""

from tlkit.lessons.exercise import compare_number, exercise, expect_number

UNKNOWN = "[UNK]"
_TOLERANCE = 5.1e-3  # an answer may be rounded to two digits


@exercise("13_unknown", "a number between 0 and 1", expect_number)
def _check_unknown(answer, *, tokens):
    """Return the verdict on the share of unknown tokens without those at both ends."""
    inner = [text[1:-1] for text in tokens]
    pieces = [piece for text in inner for piece in text]
    n_unknown = pieces.count(UNKNOWN)
    share = n_unknown / len(pieces)
    slips = {
        "that counts [CLS] and [SEP] too; leave out the first and the last token of each text.": (
            n_unknown / (len(pieces) + 2 * len(tokens))
        ),
        "that is the share of known tokens; subtract it from 1.": 1 - share,
        "that is the mean of the texts' shares; long texts have more tokens, so count all tokens together.": (
            sum(text.count(UNKNOWN) / len(text) for text in inner) / len(inner)
        ),
        "that is the share of texts with an unknown token; count tokens.": (
            sum(UNKNOWN in text for text in inner) / len(inner)
        ),
        "that is the share of texts without any known token; count tokens.": (
            sum(set(text) == {UNKNOWN} for text in inner) / len(inner)
        ),
        "that counts different tokens; count each time that a token occurs.": 1 / len(set(pieces)),
        "that is a number of tokens; divide by the number of all tokens.": n_unknown,
        "that is unknown over known tokens; divide by all tokens.": n_unknown / max(1, len(pieces) - n_unknown),
        "that is the number of unknown tokens per text; divide by the number of tokens.": n_unknown / len(inner),
    }
    otherwise = f"how often does {UNKNOWN} occur among the tokens between [CLS] and [SEP]?"
    compare_number(answer, share, slips, otherwise, _TOLERANCE)
    return f"{n_unknown} of {len(pieces)} tokens: {share:.2f} of what the network sees here is one and the same."


@exercise("13_won_back", "a number", expect_number)
def _check_won_back(answer, *, scores):
    """Return the verdict on the share of the gap between two languages that an alignment closes."""
    english, before, after = scores["English"], scores["Chinese"], scores["Chinese, means subtracted"]
    gap, gain = english - before, after - before
    slips = {
        "that is the gain in accuracy; divide it by the gap between English and Chinese.": gain,
        "that is the whole gap; which share of it is closed?": gap,
        "that is the share of the gap that is left; subtract it from 1.": 1 - gain / gap,
        "that is the gap that is left; which share of the gap is closed?": english - after,
        "that is the accuracy after the subtraction over that in English; compare gain and gap.": after / english,
        "that is the gain over the accuracy before; divide by the gap.": gain / before,
        "that divides by the accuracy in English; divide by the gap.": gain / english,
        "that is the ratio of the accuracies; subtract the first from both, and divide by the gap.": after / before,
        "that divides by the gap that is left; divide by the whole gap.": gain / (english - after),
        "the sign: gain is after minus before, and gap English minus Chinese.": -gain / gap,
        "that is the gap over the gain; swap the two.": gap / gain,
    }
    compare_number(answer, gain / gap, slips, "how large is the gap, and how much smaller does it get?", _TOLERANCE)
    return f"{gain:.3f} of {gap:.3f}: {gain / gap:.2f} of the gap. The rest is lost with the tokens."
