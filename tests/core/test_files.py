"""Files are written whole or not at all; tables open in spreadsheet programs and run nothing."""

import pytest

from core.files import (
    CsvDelimiter,
    atomic_folder,
    atomic_write,
    csv_lines,
    plain_cell,
    read_csv,
    safe_cell,
    write_csv,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_write(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail_halfway():
        with atomic_write(target) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "cache"
    with atomic_folder(target) as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "rows").write_bytes(b"1")
        assert not target.exists()
    assert (target / "deep" / "rows").read_bytes() == b"1"
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "other"):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == [target]


def test_of_two_writers_of_a_folder_the_faster_one_wins(tmp_path):
    target = tmp_path / "cache"
    with atomic_folder(target) as partial:
        (partial / "rows").write_text("slow")
        with atomic_folder(target) as other:
            (other / "rows").write_text("fast")
    assert (target / "rows").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(text):
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["crack", "a=b", ""])
def test_other_cells_stay_as_they_are(text):
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["-crack", "=ok", "'=ok", "''+1", "'quoted'", "o'k", "", "@", "'"])
def test_a_cell_is_read_as_it_was_before_it_was_made_safe(text):
    assert plain_cell(safe_cell(text)) == text


def test_a_table_has_a_byte_order_mark_and_the_chosen_delimiter():
    rows = [["größe", "n"], ["a;b", -1.5], [None, "=1"]]
    assert b"".join(csv_lines(rows, delimiter=CsvDelimiter.SEMICOLON)) == (
        b"\xef\xbb\xbf" + 'größe;n\r\n"a;b";-1.5\r\n;\'=1\r\n'.encode()
    )


def test_a_file_name_that_is_not_text_is_written_all_the_same():
    assert b"".join(csv_lines([["a\udcff.png"]])) == b"\xef\xbb\xbfa\\udcff.png\r\n"


@pytest.mark.parametrize("delimiter", list(CsvDelimiter))
def test_what_was_written_is_read_again(tmp_path, delimiter):
    rows = [["path", "=class"], ["a,b;c\n", "'-x"]]
    write_csv(tmp_path / "t.csv", rows, delimiter=delimiter)
    assert list(read_csv(tmp_path / "t.csv", delimiter=delimiter)) == rows


def test_tables_of_earlier_versions_without_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "t.csv").write_bytes("path,class\r\nä.png,'=x\r\n".encode())
    assert list(read_csv(tmp_path / "t.csv")) == [["path", "class"], ["ä.png", "=x"]]
