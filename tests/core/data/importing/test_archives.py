import struct
import warnings
import zipfile
import zlib
from datetime import datetime

import pytest

from core.data.importing import archives
from core.errors import ArchiveError


def _zip(path, entries, compression=zipfile.ZIP_STORED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are the point
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return path


def _refusal(path, target):
    target.mkdir(exist_ok=True)
    with pytest.raises(ArchiveError) as caught:
        archives.unpack(path, target)
    assert caught.value.hint
    return caught.value.message


def _link(name, target="/etc/passwd"):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info, target


def test_an_ordinary_archive_is_unpacked_whole(tmp_path):
    entries = [
        ("good/", b""),
        ("good/ä 1.png", b"1" * 10),
        ("bad/割れ.png", b"2"),
        ("12:30.png", b"3"),
    ]
    path, target = _zip(tmp_path / "a.zip", entries), tmp_path / "out"
    steps = []
    archives.unpack(path, target, on_progress=lambda *at: steps.append(at))
    assert (target / "good/ä 1.png").read_bytes() == b"1" * 10
    assert (target / "bad/割れ.png").read_bytes() == b"2"
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_unpacked_files_have_the_dates_of_the_archive_or_none(tmp_path):
    # All used to be dated to the minute of the unpacking, so that an order by date was arbitrary.
    shot = zipfile.ZipInfo("shot.png", (2021, 3, 4, 5, 6, 8))
    unknown = zipfile.ZipInfo("unknown.png", (1980, 1, 1, 0, 0, 0))
    odd = zipfile.ZipInfo("odd.png", (2021, 0, 31, 25, 0, 0))
    path = _zip(tmp_path / "a.zip", [(info, b"x") for info in (shot, unknown, odd)])
    archives.unpack(path, tmp_path / "out")
    dates = {file.name: file.stat().st_mtime for file in (tmp_path / "out").iterdir()}
    assert dates == {
        "shot.png": datetime(2021, 3, 4, 5, 6, 8).timestamp(),
        "unknown.png": 0,
        "odd.png": 0,
    }


def test_old_archives_without_the_unicode_mark_keep_their_umlauts(tmp_path):
    path = _zip(tmp_path / "a.zip", [("größe/1.png", b"1")])
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + offset
        flags = struct.unpack_from("<H", content, at)[0] & ~0x800
        struct.pack_into("<H", content, at, flags)
    path.write_bytes(content)
    with archives.open_archive(path) as archive:
        assert list(archive.files) == ["größe/1.png"]


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["a/x.png"] * 3, ["a/x.png", "a/x (2).png", "a/x (3).png"]),
        (["a/x.png", "A/X.PNG"], ["a/x.png", "A/X (2).PNG"]),
        (["a/x.png", "a/./x.png"], ["a/x.png", "a/x (2).png"]),
        (["a/u\u0308.png", "a/ü.png"], ["a/u\u0308.png", "a/ü (2).png"]),
        (["x", "x", "x (2)"], ["x", "x (3)", "x (2)"]),
        ([r"a\x.png", "a/x.png", r"b\c\y.png"], ["a/x.png", "a/x (2).png", "b/c/y.png"]),
    ],
)
def test_files_of_one_name_are_all_kept_and_backslashes_divide_folders(tmp_path, names, kept):
    # Two files of one name, or a backslash, used to refuse the whole archive.
    entries = [(name, str(number).encode()) for number, name in enumerate(names)]
    path = _zip(tmp_path / "a.zip", entries)
    archives.unpack(path, tmp_path / "out")
    contents = [(tmp_path / "out" / name).read_bytes() for name in kept]
    assert contents == [content for _, content in entries]
    with archives.open_archive(path) as archive:
        assert list(archive.files) == kept
        assert archive.renamed == sum("(" in name for name in kept) - ("x (2)" in names)


def _old_zip(path, names, encoding, extra=b""):
    """A ZIP file as old programs write it: no mark for UTF-8, names in a code page."""
    stand_ins = [
        f"{number:04d}".ljust(len(n.encode(encoding)), "_") for number, n in enumerate(names)
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name in stand_ins:
            info = zipfile.ZipInfo(name)
            info.extra = extra
            archive.writestr(info, b"x")
    content = path.read_bytes()
    for stand_in, name in zip(stand_ins, names, strict=True):
        content = content.replace(stand_in.encode(), name.encode(encoding))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["良品/画像1.png", "キズ/表面.png", "割れ/ソ.png"]),
        ("gbk", ["划痕/图片1.png", "良品/图片2.png"]),
        ("cp866", ["царапина/снимок 1.png", "годный/снимок 2.png"]),
        ("cp850", ["größe falsch/bild.png", "gut/Prüfling.png"]),
        ("utf-8", ["größe/1.png", "割れ/2.png"]),
    ],
)
def test_names_of_old_archives_are_read_in_their_encoding(tmp_path, encoding, names):
    # The second byte of ソ in Shift-JIS is a backslash: it must be decoded before it is a folder.
    path = _old_zip(tmp_path / "a.zip", names, encoding)
    with archives.open_archive(path) as archive:
        assert sorted(archive.files) == sorted(names)
        assert archive.encoding == ("gb18030" if encoding == "gbk" else encoding)
    archives.unpack(path, tmp_path / "out", encoding=encoding)
    assert all((tmp_path / "out" / name).is_file() for name in names)


def test_a_chosen_encoding_of_names_counts_and_a_wrong_one_is_refused(tmp_path):
    path = _old_zip(tmp_path / "a.zip", ["царапина/1.png"], "cp1251")
    with archives.open_archive(path, encoding="cp866") as archive:
        assert list(archive.files) == ["царапина/1.png".encode("cp1251").decode("cp866")]
    with (
        pytest.raises(ArchiveError, match="are not UTF-8") as caught,
        archives.open_archive(path, encoding="utf-8"),
    ):
        pass
    assert "--zip-encoding" in caught.value.hint
    hostile = _old_zip(tmp_path / "c.zip", [r"良\..\..\x.png"], "cp932")
    assert "points outside" in _refusal(hostile, tmp_path / "out")


def test_a_unicode_name_in_the_extra_field_wins(tmp_path):
    raw = "gr\x81\x81.png".encode("latin-1")
    field = struct.pack("<BI", 1, zlib.crc32(raw)) + "größe.png".encode()
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("gr__.png")
        info.extra = extra
        archive.writestr(info, b"x")
    path.write_bytes(path.read_bytes().replace(b"gr__.png", raw))
    with archives.open_archive(path) as archive:
        assert list(archive.files) == ["größe.png"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([("../evil.png", b"x")], "points outside"),
        ([("a/../../evil.png", b"x")], "points outside"),
        ([("/etc/evil.png", b"x")], "points outside"),
        ([("C:/evil.png", b"x")], "points outside"),
        ([("a\\..\\evil.png", b"x")], "points outside"),
        ([_link("a/link.png")], "link or a device"),
        ([("a/b\x07.png", b"x")], "control characters"),
        ([("/".join("d" * 31) + "/x.png", b"x")], "folders deep"),
        ([("n" * 300 + ".png", b"x")], "too long"),
        ([("a", b"1"), ("a/x.png", b"2")], "as a file and as a folder"),
        ([("a/x.png", b"2"), ("A", b"1")], "as a file and as a folder"),
        ([("a/x", b"2"), ("a/x/", b"")], "as a file and as a folder"),
    ],
)
def test_a_hostile_entry_stops_the_whole_archive(tmp_path, entries, reason):
    path, target = _zip(tmp_path / "a.zip", [("fine.png", b"fine"), *entries]), tmp_path / "out"
    assert reason in _refusal(path, target)
    assert list(target.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "out"]


def test_a_bomb_is_refused_by_its_promise(tmp_path):
    path = _zip(tmp_path / "a.zip", [("0.png", b"\0" * 300_000_000)], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 400_000
    assert "not plausible" in _refusal(path, tmp_path / "out")


def test_an_entry_larger_than_it_says_is_cut_off(tmp_path):
    path = _zip(tmp_path / "a.zip", [("x.png", b"\0" * 5_000_000)], zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, 1000)
    path.write_bytes(content)
    _refusal(path, tmp_path / "out")
    assert sum(f.stat().st_size for f in (tmp_path / "out").iterdir()) <= 1000


def test_overlapping_entries_are_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", [("a.png", b"x" * 1000), ("b.png", b"y" * 1000)])
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)  # points at the first entry's data
    path.write_bytes(content)
    assert "overlap" in _refusal(path, tmp_path / "out")


def test_an_encrypted_entry_is_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", [("a.png", b"x")])
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert "encrypted" in _refusal(path, tmp_path / "out")


def test_files_that_are_no_archive_or_damaged_are_refused(tmp_path):
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "empty.zip").write_bytes(b"")
    whole = _zip(tmp_path / "whole.zip", [("a.png", b"abc" * 5000)], zipfile.ZIP_DEFLATED)
    content = whole.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "bits.zip").write_bytes(content[:60] + b"\xff" * 20 + content[80:])
    for name in ("text", "empty", "cut", "bits"):
        assert f"{name}.zip cannot be read as a ZIP" in _refusal(
            tmp_path / f"{name}.zip", tmp_path / "out"
        )


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_flipped_bits_anywhere_end_in_one_of_our_errors(tmp_path, compression):
    entries = [("a/x.png", bytes(range(256)) * 20), ("b/ü.png", b"xyz" * 500)]
    content = _zip(tmp_path / "a.zip", entries, compression).read_bytes()
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        (tmp_path / "bits.zip").write_bytes(damaged)
        target = tmp_path / f"out {position}"
        target.mkdir()
        try:
            archives.unpack(tmp_path / "bits.zip", target)
        except ArchiveError as err:
            assert err.hint  # noqa: PT017 - most flips, not all, are noticed
