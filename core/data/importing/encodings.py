"""Bytes of tables and of names in ZIP files to text: as marked, as asked for, or detected."""

import codecs
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.errors import ConfigError, ImportSourceError

# The encodings offered to people, with their names; any other that Python knows can be typed.
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp866": "DOS 866 (Cyrillic)",
    "cp932": "Shift-JIS (Japanese)",
    "gb18030": "GBK (simplified Chinese)",
    "big5": "Big5 (traditional Chinese)",
    "cp949": "EUC-KR (Korean)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp850": "DOS 850 (Western European)",
    "cp852": "DOS 852 (Central European)",
    "cp437": "DOS 437 (US)",
    "koi8_r": "KOI8-R (Cyrillic)",
}
_OTHER_NAMES = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "utf-8-sig": "utf-8",
    "utf-16-le": "utf-16",
    "utf-16-be": "utf-16",
}
TEXT_CANDIDATES = ("cp1252", "cp1250", "cp1251", "cp866", "gb18030", "cp932", "big5", "cp949")
# ZIP programs of Windows write the code page of the console, those of other systems UTF-8.
ZIP_CANDIDATES = (
    *("cp850", "cp852", "cp866", "gb18030", "cp932", "big5", "cp949"),
    *("cp1252", "cp1250", "cp1251"),
)
_SAMPLE_BYTES = 200_000
_CLEAR = 0.15  # ahead of the next encoding by this much, on a scale from -1 to 1
_FEW_SYLLABLES = 6
_INSIDE_LATIN = re.compile(r"(?<=[a-z])[^\x00-\x7f]|[^\x00-\x7f](?=[a-z])")
_WORD = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")


@dataclass(frozen=True)
class DecodedText:
    """Text, the encoding that it was in, and whether that is certain."""

    text: str
    encoding: str
    is_sure: bool = True


def encoding_words(encoding: str) -> str:
    """The name of an encoding as people know it."""
    return ENCODINGS.get(encoding, encoding)


def checked_encoding(typed: str) -> str:
    """The name under which an encoding is stored, for any of its names.

    Raises:
        ConfigError: if there is no such encoding of text.
    """
    try:
        name = codecs.lookup(typed.strip()).name
        "".encode(name)
    except (LookupError, ValueError) as err:
        raise ConfigError(
            f"'{typed}' is not an encoding of text.",
            f"Use one of: {', '.join(ENCODINGS)}, or another name that Python knows.",
        ) from err
    return _OTHER_NAMES.get(name, name)


def decoded(content: bytes, encoding: str | None = None) -> DecodedText:
    """The text of a file.

    Args:
        content: of the whole file.
        encoding: as chosen; None: by the mark at its start, else UTF-8 if that fits, else detected.

    Raises:
        ConfigError: if there is no such encoding.
        ImportSourceError: if it is not text, or not in this encoding.
    """
    name = checked_encoding(encoding) if encoding else None
    found = DecodedText("", name) if name else _marked_or_detected(content)
    try:
        text = content.decode(_with_mark(content, found.encoding))
    except UnicodeDecodeError as err:
        raise ImportSourceError(
            f"The table is not text in the encoding {encoding_words(found.encoding)}.",
            "Choose another encoding (on the command line: --encoding), or save the table as CSV "
            "with the encoding UTF-8.",
        ) from err
    if "\0" in text:
        raise ImportSourceError(
            "The table is not a readable text file.",
            "Save it as CSV with the encoding UTF-8, or as an Excel workbook (.xlsx).",
        )
    return DecodedText(text.removeprefix("\ufeff"), found.encoding, found.is_sure)


def detected(content: bytes, candidates: Sequence[str]) -> tuple[str, bool]:
    """The most plausible encoding of text without a mark, and whether the others are clearly worse.

    Judged by what its characters would be: letters inside words, one script in a word, the common
    part of the large Asian character sets. Where this leaves several, charset-normalizer decides.
    Encodings that give the same text count as one.

    Args:
        content: not UTF-8; its first 200 kB are used.
        candidates: encodings, the usual ones first.
    """
    sample = _rare_bytes(content)
    texts = {name: text for name in candidates if (text := _try(sample, name)) is not None}
    if not texts:
        return candidates[0], False
    scores = {name: _plausibility(text, name) for name, text in texts.items()}
    best = max(scores, key=lambda name: scores[name])
    rivals = [n for n in scores if scores[n] > scores[best] - _CLEAR and texts[n] != texts[best]]
    if not rivals:
        return best, True
    return _preferred([best, *rivals], sample), False


def _preferred(names: Sequence[str], sample: bytes) -> str:
    """The one that charset-normalizer finds most likely; the first if it cannot tell."""
    from charset_normalizer import from_bytes

    match = from_bytes(sample, cp_isolation=list(names), enable_fallback=False).best()
    if match is None or not match.coherence:
        return names[0]
    known = _OTHER_NAMES.get(match.encoding, match.encoding)
    return known if known in names else names[0]


def _marked_or_detected(content: bytes) -> DecodedText:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return DecodedText("", "utf-16")
    if _is_utf16(content):
        return DecodedText("", "utf-16")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return DecodedText("", *detected(content, TEXT_CANDIDATES))
    return DecodedText("", "utf-8")


def _with_mark(content: bytes, encoding: str) -> str:
    """The codec: of UTF-16 without a mark, the byte order by where the zeros are."""
    if encoding != "utf-16" or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return encoding
    return "utf-16-be" if content[::2].count(0) > content[1::2].count(0) else "utf-16-le"


def _is_utf16(content: bytes) -> bool:
    """Whether every other byte of many is zero, as in UTF-16 with paths and commas in it."""
    sample = content[:_SAMPLE_BYTES]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    return max(even, odd) > 0.2 * len(sample) / 2 and min(even, odd) <= 0.02 * max(even, odd)


def _rare_bytes(content: bytes) -> bytes:
    """The different lines with bytes outside ASCII: a column of one label would outvote all."""
    lines = content[:_SAMPLE_BYTES].splitlines()
    whole = lines[:-1] if len(content) > _SAMPLE_BYTES else lines
    return b"\n".join(dict.fromkeys(line for line in whole if not line.isascii()))


def _try(sample: bytes, name: str) -> str | None:
    try:
        return sample.decode(name)
    except UnicodeDecodeError:
        return None


def _plausibility(text: str, encoding: str) -> float:
    """How likely the characters outside ASCII are in this encoding, in [-1, 1]."""
    judge = _ASIAN.get(encoding)
    if judge is not None:
        rare = [c for c in text if ord(c) > 127]
        inside = len(_INSIDE_LATIN.findall(text))
        score = (sum(judge(c) for c in rare) - 2.0 * inside) / max(1, len(rare))
        return score + (_korean_bonus(len(rare), score) if encoding == "cp949" else 0.0)
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    weights = [sum(ord(c) > 127 for c in word) for word in words]
    total = sum(_word(word) * n for word, n in zip(words, weights, strict=True))
    score = total / max(1, sum(weights))
    return score - (0.05 if encoding in ("cp1250", "cp852", "cp850") else 0.0)


def _word(word: str) -> float:
    """How much a run of letters looks like a word of Latin or Cyrillic script, in [-1, 1]."""
    if not word[0].isalpha():
        return -1.0
    scripts = {_script(c) for c in word}
    if len(scripts) > 1 or not scripts <= {"LATIN", "CYRILLIC"}:
        return -1.0
    turns_upper = any(a.islower() and b.isupper() for a, b in pairwise(word))
    if scripts == {"CYRILLIC"}:
        is_common = all("а" <= c <= "я" or c in "ёіїєў" for c in word.lower())
        return 0.3 if turns_upper or not is_common else 1.0
    accented = sum(ord(c) > 127 for c in word)
    if accented > 2 and accented > 0.7 * len(word):
        return -1.0
    # Why: letters of few languages, which other encodings have in the place of common ones.
    odd = sum(c in "ðþÐÞĺĹŕŔ÷×ſŸÝýÿµªº¹²³" for c in word)
    return (0.2 if turns_upper else 0.9) - 0.5 * (odd > 0)


def _korean_bonus(syllables: int, score: float) -> float:
    """Why: the syllables of Korean are common characters of Chinese; only many prove something."""
    if score < 1:
        return 0.0
    return -0.1 if syllables < _FEW_SYLLABLES else 0.05 if syllables < 2 * _FEW_SYLLABLES else 0.2


def _script(character: str) -> str:
    return unicodedata.name(character, "?").split(" ")[0]


def _lead(character: str, encoding: str) -> int:
    """The first byte of a character in a two-byte encoding; 0 if it has not two bytes."""
    raw = character.encode(encoding, "ignore")
    return raw[0] if len(raw) == 2 else 0


def _simplified(character: str) -> float:
    lead = _lead(character, "gb18030")
    if 0xB0 <= lead <= 0xD7:  # the 3,755 common characters
        return 1.0
    return 0.6 if 0xA1 <= lead <= 0xA3 else 0.3 if 0xD8 <= lead <= 0xF7 else -1.0


def _traditional(character: str) -> float:
    lead = _lead(character, "big5")
    if 0xA4 <= lead <= 0xC6:  # the 5,401 common characters
        return 0.95
    return 0.6 if 0xA1 <= lead <= 0xA3 else 0.2 if lead else -1.0


def _japanese(character: str) -> float:
    lead = _lead(character, "cp932")
    if 0x82 <= lead <= 0x83 or 0x88 <= lead <= 0x97:  # kana and the 2,965 common characters
        return 1.0 if lead <= 0x83 else 0.95
    if "\uff61" <= character <= "\uff9f":  # narrow kana: what other encodings look like in this one
        return 0.0
    return 0.6 if lead == 0x81 else 0.1 if lead else -1.0


def _korean(character: str) -> float:
    if "가" <= character <= "힣":
        raw = character.encode("cp949", "ignore")
        return 1.0 if len(raw) == 2 and min(raw) >= 0xA1 else -0.5
    return 0.5 if "\u3000" <= character <= "\u303f" else -0.5


_ASIAN = {"gb18030": _simplified, "big5": _traditional, "cp932": _japanese, "cp949": _korean}
