import os
import shutil
import zipfile

import pytest
from PIL import Image

from core.data.importing.inspection import inspect_file
from core.data.importing.listing import plan_import, read_images
from core.data.importing.rules import ImportRules, TableRules
from core.domain.datasets import LabelSource, content_digest
from core.errors import ImportSourceError, UnreadableImageError
from core.workspace import IMPORT_ROOTS_VARIABLE
from tests.conftest import save_image

FOLDER = ImportRules()


def _reasons(plan):
    return {item.path: item.reason for item in plan.skipped}


def test_class_folders_at_any_depth_become_classes(class_folders):
    plan = plan_import(class_folders, FOLDER)
    assert plan.class_counts == {"größe falsch": 6, "gut": 6, "割れ": 6}
    assert not plan.skipped


def test_what_is_read_has_sizes_hashes_and_labels(class_folders):
    found = read_images(class_folders, plan_import(class_folders, FOLDER))
    assert found.class_names == ("größe falsch", "gut", "割れ")
    assert len(found.samples) == 18
    first = found.samples[0]
    assert (first.width, first.height, first.mode) == (64, 32, "RGB")
    assert len({s.sha256 for s in found.samples}) == 18
    assert [s.label for s in found.samples].count(1) == 6


def test_the_digest_knows_content_and_labels_but_not_order(class_folders):
    found = read_images(class_folders, plan_import(class_folders, FOLDER))
    contents = [(s.sha256, found.class_names[s.label]) for s in found.samples]
    assert content_digest(contents[::-1]) == found.digest
    assert content_digest([(sha256, "a") for sha256, _ in contents]) != found.digest
    assert content_digest(contents[1:]) != found.digest


def test_hidden_files_and_litter_of_other_systems_are_not_even_mentioned(class_folders):
    for name in (".DS_Store", "gut/Thumbs.db", "gut/.hidden.png", "__MACOSX/gut/pic.png", ".git/x"):
        path = class_folders / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    plan = plan_import(class_folders, FOLDER)
    assert sum(plan.class_counts.values()) == 18
    assert not plan.skipped


def test_what_is_no_image_or_has_no_class_is_listed_with_the_reason(class_folders):
    (class_folders / "gut" / "notes.txt").write_text("hello")
    save_image(class_folders / "stray.png", [[[1, 2, 3]]])
    reasons = _reasons(plan_import(class_folders, FOLDER))
    assert "not a supported format" in reasons["gut/notes.txt"]
    assert reasons["stray.png"] == "The file is not inside a class folder."


def test_an_unreadable_image_is_skipped_and_the_rest_is_imported(class_folders):
    (class_folders / "gut" / "pic 0 é.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (class_folders / "gut" / "no extension").write_bytes(b"neither")
    found = read_images(class_folders, plan_import(class_folders, FOLDER))
    assert len(found.samples) == 17
    assert {item.path for item in found.skipped} == {"gut/pic 0 é.png", "gut/no extension"}
    assert all(item.reason for item in found.skipped)


def test_a_image_without_extension_counts(class_folders):
    (class_folders / "gut" / "pic 0 é.png").rename(class_folders / "gut" / "bare")
    found = read_images(class_folders, plan_import(class_folders, FOLDER))
    assert len(found.samples) == 18


def test_classes_can_be_left_out(class_folders):
    plan = plan_import(class_folders, ImportRules(leave_out=("割れ",)))
    assert plan.class_counts == {"größe falsch": 6, "gut": 6}
    assert len(plan.skipped) == 6


def test_the_class_may_stand_in_the_file_name(tmp_path):
    for name in ("apple_01.png", "apple_02.png", "rolled-in_scale_1.png"):
        save_image(tmp_path / "flat" / name, [[[1, 2, 3]]])
    plan = plan_import(tmp_path / "flat", ImportRules(LabelSource.FILE_NAME_REMOVE_INDEX))
    assert plan.class_counts == {"apple": 2, "rolled-in_scale": 1}
    whole = plan_import(tmp_path / "flat", ImportRules(LabelSource.FILE_NAME))
    assert len(whole.class_counts) == 3


def test_a_table_gives_labels_and_is_compared_with_the_files(class_folders):
    table = "path;label\ngut/pic 0 é.png;ok\n./gut/pic 1 é.png;nok\ngut/gone.png;ok"
    plan = plan_import(class_folders, ImportRules(LabelSource.TABLE, table=TableRules(table)))
    assert plan.class_counts == {"nok": 1, "ok": 1}
    reasons = _reasons(plan)
    assert reasons["gut/gone.png"] == "The table lists it, but there is no such file."
    assert reasons["gut/pic 2 é.png"] == "The table has no label for this file."


def test_labels_from_a_table_need_the_table(class_folders):
    with pytest.raises(ImportSourceError, match="need a label table"):
        plan_import(class_folders, ImportRules(LabelSource.TABLE))


def test_a_zip_is_planned_without_unpacking(class_folders, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", class_folders)
    plan = plan_import(type(tmp_path)(archive), FOLDER)
    assert plan.class_counts == {"größe falsch": 6, "gut": 6, "割れ": 6}


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "no class", "empty zip"])
def test_a_hopeless_source_says_what_to_do(tmp_path, kind):
    source = tmp_path / "source"
    if kind == "text":
        source.write_text("no folder")
    elif kind == "empty zip":
        source = tmp_path / "source.zip"
        zipfile.ZipFile(source, "w").close()
    elif kind != "missing":
        source.mkdir()
    if kind == "no class":
        save_image(source / "1.png", [[[1, 2, 3]]])
    with pytest.raises(ImportSourceError) as caught:
        plan_import(source, FOLDER)
    assert caught.value.hint


def test_a_class_whose_images_are_all_broken_leaves_too_few(tmp_path):
    save_image(tmp_path / "s" / "a" / "1.png", [[[1, 2, 3]]])
    (tmp_path / "s" / "b").mkdir()
    (tmp_path / "s" / "b" / "1.png").write_bytes(b"broken")
    plan = plan_import(tmp_path / "s", FOLDER)
    with pytest.raises(ImportSourceError, match="only one class"):
        read_images(tmp_path / "s", plan)


def test_links_inside_are_followed_and_links_that_lead_out_are_not(
    class_folders, tmp_path, monkeypatch
):
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(class_folders))
    secret = save_image(tmp_path / "outside" / "secret.png", [[[9, 9, 9]]])
    (class_folders / "way out").symlink_to(secret.parent)
    (class_folders / "gut" / "secret.png").symlink_to(secret)
    (class_folders / "gut" / "again.png").symlink_to(class_folders / "gut" / "pic 0 é.png")
    (class_folders / "gut" / "loop").symlink_to(class_folders)
    (class_folders / "gut" / "self.png").symlink_to(class_folders / "gut" / "self.png")
    plan = plan_import(class_folders, FOLDER)
    paths = {item.path for item in plan.candidates}
    assert "gut/again.png" in paths
    assert not any("secret" in path or "loop" in path for path in paths)
    found = read_images(class_folders, plan)
    assert len(found.samples) == 19


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        inspect_file(tmp_path / "pipe.png")


def test_a_file_name_that_is_no_text_is_listed(class_folders):
    raw = os.fsencode(class_folders / "gut") + b"/bad-\xff.png"
    with open(raw, "wb") as file:  # noqa: PTH123 - Path would need text
        Image.new("L", (8, 8)).save(file, "PNG")
    plan = plan_import(class_folders, FOLDER)
    assert "not valid Unicode" in plan.skipped[0].reason
    assert len(plan.candidates) == 18
