"""The vocabulary in a model of SentencePiece, as a tokenizer of the library tokenizers. Without torch.

SentencePiece (Kudo and Richardson, arXiv:1808.06226) splits a text into the pieces whose probabilities have the largest
product. Its file is a message of protocol buffers, of which we need the pieces and the table for characters.
"""

import base64
import json
import struct

_UNKNOWN, _FIRST, _LAST = 0, 1, 2  # ids of the unknown piece and of both ends of a text
_SPACE = "▁"


def convert_model(content):
    """Return the content of a tokenizer.json for a unigram model with the usual settings, whose file is `content`."""
    vocabulary, table = [], b""
    for number, value in _read_fields(content):
        if number == 1:
            piece = dict(_read_fields(value))
            vocabulary.append((piece[1].decode(), *struct.unpack("<f", piece.get(2, bytes(4)))))
        elif number == 3:
            table = dict(_read_fields(value))[2]
    ends = {vocabulary[number][0]: number for number in (_FIRST, _LAST)}
    first, last = ({"SpecialToken": {"id": end, "type_id": 0}} for end in ends)
    described = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": True},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", "replacement": _SPACE, "prepend_scheme": "always", "split": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, {"Sequence": {"id": "A", "type_id": 0}}, last],
            "pair": [],
            "special_tokens": {end: {"id": end, "ids": [number], "tokens": [end]} for end, number in ends.items()},
        },
        "model": {"type": "Unigram", "unk_id": _UNKNOWN, "vocab": vocabulary, "byte_fallback": False},
    }
    return json.dumps(described, ensure_ascii=False)


def _read_fields(content):
    """Yield (number, value) of the fields of a message; a value is an int, or bytes of which the caller knows more."""
    place = 0
    while place < len(content):
        key, place = _read_number(content, place)
        kind, length = key & 7, 0
        if kind in (0, 2):
            length, place = _read_number(content, place)
        if kind == 0:
            yield key >> 3, length
            continue
        end = place + {1: 8, 2: length, 5: 4}[kind]
        yield key >> 3, content[place:end]
        place = end


def _read_number(content, place):
    """Return (number, place behind it) of a number in groups of 7 bits, the lowest first."""
    number = shift = 0
    while True:
        number |= (content[place] & 127) << shift
        if content[place] < 128:
            return number, place + 1
        place, shift = place + 1, shift + 7
