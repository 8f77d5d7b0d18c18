"""Names of files in other encodings than UTF-8, as zips of other systems have them, guessed from all together."""

import itertools
import re

from tlkit.notices import warn

# The common characters of each encoding as a pattern of their bytes. The first encoding wins a tie.
_COMMON = {
    "gbk": rb"[\xb0-\xd7][\xa1-\xfe]",
    "big5": rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]",
    "cp932": rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\xfc]|\x81\x5b",
    "cp949": rb"[\xb0-\xc8][\xa1-\xfe]",
    "cp866": rb"[\x80-\xaf\xe0-\xf1]",
    "cp1251": rb"[\xc0-\xff\xa8\xb8]",
}
# Encodings of the Latin alphabet: old zips, Windows, old Macs, and DOS in other countries; the first wins a tie.
_LATIN = ("cp437", "cp1252", "mac_roman", "cp850", "cp860")
# Frequent characters in names of things and findings, which decide between encodings that share their codes.
_FREQUENT = {
    "gbk": "猫狗鱼鸟牛马羊鸡鸭猪虎狮象熊兔鼠猴蛇虫花草树木叶果苹梨橘桃瓜豆麦车船飞机电杯书红黄蓝绿白黑大小子男女正常",
    "big5": "貓狗魚鳥牛馬羊雞鴨豬虎獅象熊兔鼠猴蛇蟲花草樹木葉果蘋梨橘桃瓜豆麥車船飛機電杯書紅黃藍綠白黑大小子男女正常",
    "cp932": "のんいうしりごねこアイスンリー犬猫鳥魚花車山水",
    "cp949": "이가기고사자지리나다라아스시수인도주구조무부비바마미트타크카하호해강개양새소말닭여우원과배감귤포정상폐",
}
_FREQUENT_LATIN = "äöüßéèàáíóñçãåøæ"
_LEAST_SHARE = 0.75


def decode_names(names, location):
    """Return {name: text} of names (bytes), as UTF-8 or in one guessed encoding, with a warning."""
    texts = {name: _try(name, "utf-8") for name in names}
    if None not in texts.values():
        return texts
    # Some names of another encoding happen to be UTF-8 too, so all are read alike.
    others = sorted(name for name in names if not name.isascii())
    ranked = _rank_encodings(others)
    encoding = ranked[0][1] if ranked else None
    texts |= {name: name.decode(encoding or "utf-8", "surrogateescape") for name in others}
    # The encoding of old zips needs no word, unless others make other names as likely (cp850 has the same letters).
    if encoding != "cp437" or ranked[0][0] < 0.95 or {e for score, e in ranked if score > 0.92} - {"cp437", "cp850"}:
        read = f"read as {encoding}" if encoding else "of no known encoding"
        advice = "if they are wrong, rename the files or make the zip anew with names in UTF-8"
        warn(f"{location}: {len(others)} names are not UTF-8 and {read}, the first {texts[others[0]]!r}; {advice}")
    return texts


def guess_encoding(names):
    """Return the encoding (str) of names (list of bytes) that aren't UTF-8, or None if none is likely."""
    return next((encoding for _, encoding in _rank_encodings(names)), None)


def _rank_encodings(names):
    """Return [(score, encoding)] of the encodings that are likely for names (list of bytes), the best first."""
    joined = b"/".join(names)
    stand_alone = not re.search(rb"[\x80-\xff]{2}", joined)
    ranked = []
    for encoding in (*_COMMON, *_LATIN):
        text = _try(joined, encoding) or ""
        pairs = [(before, letter) for before, letter in itertools.pairwise(f"/{text}") if letter > "\x7f"]
        if not pairs:
            continue
        frequent = sum(letter in _FREQUENT.get(encoding, "") for _, letter in pairs) / len(pairs)
        # Accented letters of the Latin alphabet stand alone, or in pairs; characters of other scripts hardly ever do.
        is_other = re.search(rb"[\x80-\xff]{3}", joined) if encoding in _LATIN else stand_alone and frequent < 0.5
        share = sum(_weigh(encoding, *pair) for pair in pairs) / len(pairs)
        if not is_other and share >= _LEAST_SHARE:
            ranked.append((share + 0.3 * frequent, encoding))
    return sorted(ranked, key=lambda entry: -entry[0])


def _weigh(encoding, before, letter):
    """Return how natural a letter is after another one, from 0 to 1."""
    if encoding in _LATIN:  # no capital within a word, no ß at its start
        is_odd = before.islower() if letter.isupper() else letter == "ß" and not before.isalpha()
        return 0 if is_odd or not re.match("[À-ÖØ-öø-ÿœŒ]", letter) else 1 if letter.lower() in _FREQUENT_LATIN else 0.8
    if encoding in ("cp866", "cp1251") and before.isascii() and before.isalpha():  # two alphabets in one word
        return 0
    return 1 if re.fullmatch(_COMMON[encoding], letter.encode(encoding)) else 0.6 * ("\u4e00" <= letter <= "\u9fff")


def _try(name, encoding):
    """Return bytes decoded, or None if they aren't of that encoding."""
    try:
        return name.decode(encoding)
    except UnicodeDecodeError:
        return None
