"""Names of files in other encodings than UTF-8, as zips of other systems have them, guessed from all together."""

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
    "cp437": rb"[\x80-\x9a\xa0-\xa5\xe1]",
    "cp1252": rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff\x8a\x8e\x9a\x9e]",
}
# Frequent characters in names of things and findings, which decide between encodings that share their codes.
_FREQUENT = {
    "gbk": "猫狗鱼鸟牛马羊鸡鸭猪虎狮象熊兔鼠猴蛇虫花草树木叶果苹梨橘桃瓜豆麦车船飞机电杯书红黄蓝绿白黑大小子男女正常",
    "big5": "貓狗魚鳥牛馬羊雞鴨豬虎獅象熊兔鼠猴蛇蟲花草樹木葉果蘋梨橘桃瓜豆麥車船飛機電杯書紅黃藍綠白黑大小子男女正常",
    "cp932": "のんいうしりごねこアイスンリー犬猫鳥魚花車山水",
    "cp949": "이가기고사자지리나다라아스시수인도주구조무부비바마미트타크카하호해강개양새소말닭여우원과배감귤포정상폐",
}
_LEAST_SHARE = 0.75


def decode_names(names, location):
    """Return {name: text} of names (bytes), as UTF-8 or in one guessed encoding, with a warning."""
    texts = {name: _try(name, "utf-8") for name in names}
    if None not in texts.values():
        return texts
    # Some names of another encoding happen to be UTF-8 too, so all are read alike.
    others = sorted(name for name in names if not name.isascii())
    encoding = guess_encoding(others)
    texts |= {name: name.decode(encoding or "utf-8", "surrogateescape") for name in others}
    if encoding != "cp437":  # the encoding of old zips needs no word
        read = f"read as {encoding}" if encoding else "of no known encoding"
        advice = "if they are wrong, rename the files or make the zip anew with names in UTF-8"
        warn(f"{location}: {len(others)} names are not UTF-8 and {read}, the first {texts[others[0]]!r}; {advice}")
    return texts


def guess_encoding(names):
    """Return the encoding (str) of names (list of bytes) that aren't UTF-8, or None if none is likely."""
    joined = b"/".join(names)
    stand_alone = not re.search(rb"[\x80-\xff]{2}", joined)
    best, chosen = _LEAST_SHARE, None
    for encoding, pattern in _COMMON.items():
        letters = [letter for letter in _try(joined, encoding) or "" if letter > "\x7f"]
        if not letters:
            continue
        frequent = sum(letter in _FREQUENT.get(encoding, "") for letter in letters) / len(letters)
        # Accented letters of the Latin alphabet stand alone, or in pairs; characters of other scripts hardly ever do.
        if encoding in ("cp437", "cp1252"):
            is_possible = not re.search(rb"[\x80-\xff]{3}", joined)
        else:
            is_possible = not stand_alone or frequent >= 0.5
        weights = [
            1 if re.fullmatch(pattern, letter.encode(encoding)) else 0.6 * ("\u4e00" <= letter <= "\u9fff")
            for letter in letters
        ]
        share = sum(weights) / len(weights)
        if is_possible and share >= _LEAST_SHARE and share + 0.3 * frequent > best:
            best, chosen = share + 0.3 * frequent, encoding
    return chosen


def _try(name, encoding):
    """Return bytes decoded, or None if they aren't of that encoding."""
    try:
        return name.decode(encoding)
    except UnicodeDecodeError:
        return None
