"""Text as people's programs write it, in the encodings of their countries."""

import pytest

from core.data.importing.encodings import checked_encoding, decoded
from core.errors import ConfigError, ImportSourceError

TABLES = {
    "gb18030": "path,label\n1.png,划痕\n2.png,良品\n3.png,裂纹\n",
    "cp932": "path,label\n1.png,キズ\n2.png,良品\n3.png,割れ\n",
    "big5": "path,label\n1.png,刮痕\n2.png,良品\n3.png,裂紋\n",
    "cp949": "path,label\n1.png,긁힘\n2.png,양품\n3.png,균열\n4.png,표면 불량\n",
    "cp1250": "path;label\n1.png;škrábanec\n2.png;dobrý\n3.png;prasklina část žlutý\n",
    "cp1251": "path,label\n1.png,царапина\n2.png,годный\n3.png,трещина\n",
    "cp866": "path,label\n1.png,царапина\n2.png,годный\n3.png,трещина\n",
    "cp1252": "path;label\n1.png;größe falsch\n2.png;gut\n3.png;Riß\n4.png;pièce cassée\n",
}


@pytest.mark.parametrize("encoding", TABLES)
@pytest.mark.parametrize("repeated", [1, 200])
def test_the_encoding_of_a_short_or_long_table_is_detected(encoding, repeated):
    # All but UTF-8 used to be read as cp1252, without a word.
    head, body = TABLES[encoding].split("\n", 1)
    text = f"{head}\n{body * repeated}"
    found = decoded(text.encode(encoding))
    assert (found.text, found.encoding) == (text, encoding)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_with_and_without_a_mark(codec):
    text = "path\tlabel\nгоден/1.png\tgood\n割れ/2.png\tbad\n"
    found = decoded(text.encode(codec))
    assert found.text == text
    assert found.is_sure


def test_what_could_be_several_encodings_is_a_guess_and_can_be_chosen():
    content = "1.png,합격\n2.png,불량\n".encode("cp949")
    assert not decoded(content).is_sure
    chosen = decoded(content, "EUC-KR")
    assert (chosen.text, chosen.encoding) == ("1.png,합격\n2.png,불량\n", "cp949")
    assert decoded("größe".encode("cp1250")).is_sure  # the same text in every likely encoding


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("GBK", "gb18030"), ("Shift_JIS", "cp932"), ("latin-1", "cp1252"), ("windows-1251", "cp1251")],
)
def test_an_encoding_has_many_names(typed, stored):
    assert checked_encoding(typed) == stored


@pytest.mark.parametrize("typed", ["klingon", "rot13", "base64", ""])
def test_an_encoding_that_is_none_is_refused(typed):
    with pytest.raises(ConfigError) as caught:
        checked_encoding(typed)
    assert "cp1251" in caught.value.hint


@pytest.mark.parametrize("content", [b"\x00\x01\x02path", "größe".encode("cp1252")])
def test_what_is_not_text_in_the_chosen_encoding_says_so(content):
    with pytest.raises(ImportSourceError) as caught:
        decoded(content, "utf-8")
    assert caught.value.hint
