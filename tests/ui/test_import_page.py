"""The import form, as a person meets it: what it decided is said where it can be changed."""

import json
import zipfile
from collections.abc import Iterator

import numpy as np
from PIL import Image
from streamlit.testing.v1.element_tree import Block, Element
from typer.testing import CliRunner

from core.cli.app import app as commands
from core.data.importing.rules import CombinedLabels
from core.domain.datasets import LabelSource
from core.domain.findings import FindingKind, FindingStatus, Fix, QualityCheck
from core.domain.jobs import JobKind
from core.store import quality as quality_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, fixes, quality
from core.workspace import Workspace
from tests.conftest import Trained, copy_of, marked_image, save_image, store_rows
from tests.ui.conftest import OpenPage


def tree(root, *names):  # type: ignore[no-untyped-def]
    for number, name in enumerate(names):
        save_image(root / name, np.random.default_rng(number).integers(0, 255, (16, 16, 3)))
    return root


def form_with_table(open_page: OpenPage, workspace: Workspace, folder, text: str):  # type: ignore[no-untyped-def]
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    app.selectbox(key="labels").set_value(LabelSource.TABLE).run()
    return app.file_uploader[0].set_value(("t.csv", text.encode(), "text/csv")).run()


def column(app, title: str):  # type: ignore[no-untyped-def]
    return next(box for box in app.selectbox if box.label == title)


def said(app, words: str) -> bool:  # type: ignore[no-untyped-def]
    return any(words in item.value.replace("\\", "") for item in app.markdown)


def test_a_completed_import_opens_its_dataset_once(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    # The bar above showed the dataset that was open before, until a button was pressed.
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    store_rows(workspace, [0, 1], dataset_id="ds-other")
    (job,) = jobs.latest_of_kind(workspace, JobKind.IMPORT).values()
    app = open_page("data/import_images.py", workspace, **{"import": job.subject_id})
    assert app.button(key="to_quality")
    assert app.selectbox(key=f"context_dataset-{trained.dataset.id}")
    assert app.selectbox(key=f"context_split-{trained.split.id}")
    app.selectbox(key=f"context_dataset-{trained.dataset.id}").set_value("ds-other").run()
    assert app.selectbox(key="context_dataset-ds-other")
    assert not app.exception


def test_new_images_unlike_those_of_the_model_are_told_where_they_were_added_and_in_quality(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    random = np.random.default_rng(3)
    for name in ("stripes/noise.png", "other/noise.png"):
        save_image(tmp_path / "more" / name, random.integers(0, 256, (96, 96, 3)))
    for number in range(3):  # of the kind that the model knows
        pixels, _ = marked_image("stripes", 900 + number)
        save_image(tmp_path / "more" / "stripes" / f"{number}.png", pixels)
    place = ["--workspace", str(workspace.root), "--json"]
    run = CliRunner().invoke
    answer = run(commands, ["import", str(tmp_path / "more"), "--into", "Marks", *place])
    told = json.loads(answer.stdout)["unfamiliar"]
    assert (told["compared"], told["unfamiliar"], told["of_new_classes"]) == (5, 2, 1)
    assert [item["score"] > 1 for item in told["most"]] == [True, True]
    assert told["limit"]["judged_parts"] == 32
    assert "2 of 5 new images are unlike the training images" in answer.stderr

    (job,) = (
        j for j in jobs.latest_of_kind(workspace, JobKind.IMPORT).values() if j.payload["into"]
    )
    page = open_page("data/import_images.py", workspace, **{"import": job.subject_id})
    assert any("2 of 5 new images are unlike" in item.value for item in page.warning)
    assert page.button(key="unfamiliar_in_quality")
    assert not page.exception

    # A class that the model never learned is no finding; the other stays when the set is checked.
    kind, dataset_id = FindingKind.UNFAMILIAR, trained.dataset.id
    check = QualityCheck(dataset_id, 0.0, (), 0, 0, version=2)
    (finding,) = quality.findings(workspace, dataset_id, kind)
    with connect(workspace) as db, transaction(db):
        quality_rows.save_check(db, check, [])
    assert quality.finding_counts(workspace, dataset_id) == {kind: 1}
    fixes.fix(workspace, dataset_id, [finding.id], Fix.EXCLUDE)
    with connect(workspace) as db, transaction(db):
        quality_rows.save_check(db, check, [])
    assert not quality.finding_counts(workspace, dataset_id, FindingStatus.FIXED)


def test_a_guessed_label_column_is_said_among_the_decisions(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = tree(tmp_path / "s", "1.png", "2.png", "3.png", "4.png")
    text = "image,camera,outcome\n1.png,a,x\n2.png,a,y\n3.png,b,x\n4.png,b,y\n"
    app = form_with_table(open_page, workspace, folder, text)
    assert column(app, "Class").value == 1
    assert said(app, "The column 'camera' was chosen because it comes first")
    column(app, "Class").set_value(2).run()
    assert not said(app, "was chosen because")
    assert said(app, "label: outcome")
    assert not app.exception


def test_a_folder_of_images_is_one_class_or_the_folder_above_is_meant(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    # Who chose …/parts/crack was refused with "One folder of good images is enough to begin with".
    names = [f"parts/{label}/{number}.png" for label in ("crack", "good") for number in range(4)]
    folder = tree(tmp_path, *names) / "parts" / "crack"
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    assert said(app, "**4 images** lie directly in **crack**, not in class folders.")
    assert not app.error
    assert not any(button.key == "do_import" for button in app.button)

    app.button(key="use_one_class").click().run()
    assert app.text_input(key="class_name_crack").value == "crack"
    assert said(app, "**4 images** in **1 class** would be imported.")
    assert not said(app, "choose the folder above")
    app.text_input(key="class_name_crack").set_value("torn").run()
    assert said(app, "All images have the class 'torn'")

    app.selectbox(key="labels").set_value(LabelSource.LAST_FOLDER).run()
    assert app.button(key="use_folder_above").label == "Use the folder above (2 classes)"
    app.button(key="use_folder_above").click().run()
    assert app.text_input(key="folder").value == str(folder.parent)
    assert said(app, "**8 images** in **2 classes** would be imported.")
    assert not app.exception


def test_a_reload_keeps_the_folder_of_an_import_and_the_budget_of_a_search(
    open_page: OpenPage, trained: Trained, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = str(tree(tmp_path / "set", "a/1.png", "b/2.png"))
    app = open_page("data/import_images.py", trained.workspace, folder=folder)
    assert app.text_input(key="folder").value == folder
    assert said(app, "**2 images** in **2 classes**")

    link = {"search_minutes": "45", "search_trials": "7"}
    search = open_page("training/search.py", trained.workspace, **link)
    assert search.number_input(key="search_minutes").value == 45
    assert search.number_input(key="search_trials").value == 7
    assert not search.exception


def test_the_folder_above_is_offered_only_where_it_has_classes(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = tree(tmp_path / "alone" / "shots", "1.png", "2.png")
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    assert app.button(key="use_one_class")
    assert not any(button.key == "use_folder_above" for button in app.button)


def test_the_suggested_name_follows_the_source_until_somebody_types_one(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    # The name of the first folder stayed when another one was chosen.
    store_rows(workspace, [0, 1], dataset_id="ds-old")
    for name in ("bolts_left", "Rows ds-old"):
        tree(tmp_path / name, "a/1.png", "b/2.png")
    app = open_page("data/import_images.py", workspace)

    def named(folder: str) -> str:
        app.text_input(key="folder").set_value(str(tmp_path / folder)).run()
        return app.text_input(key="dataset_name").value

    assert [named("bolts_left"), named("Rows ds-old")] == ["bolts left", "Rows ds-old 2"]
    app.text_input(key="dataset_name").set_value("Mine").run()
    assert named("bolts_left") == "Mine"
    app.text_input(key="dataset_name").set_value("").run()
    assert app.text_input(key="dataset_name").value == "bolts left"

    # Of seven classes six had a picture.
    tree(tmp_path / "many", *(f"class {n}/{i}.png" for n in range(7) for i in range(3)))
    named("many")
    assert sum(item.type == "image" for item in _flat(app.main)) == 7

    # That a name is taken was said below the button, out of sight.
    app.text_input(key="dataset_name").set_value("Rows ds-old").run()
    app.button(key="do_import").click().run()
    drawn = list(_flat(app.main))
    (said,) = [at for at, item in enumerate(drawn) if item.type == "error"]
    button = next(at for at, item in enumerate(drawn) if getattr(item, "key", "") == "do_import")
    # The button was out of sight below the pictures.
    assert said < button < min(at for at, item in enumerate(drawn) if item.type == "image")


def _flat(block: Block) -> Iterator[Element]:
    """What a page shows, from top to bottom."""
    for child in block.children.values():
        if isinstance(child, Block):
            yield from _flat(child)
        else:
            yield child


def test_a_table_with_a_column_per_class_asks_for_the_label(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = tree(tmp_path / "s", "1.png", "2.png", "3.png", "4.png")
    text = "image,crack,hole\n1.png,1,0\n2.png,0,1\n3.png,1,0\n4.png,0,0\n"
    app = form_with_table(open_page, workspace, folder, text)
    assert "2 columns of 0 and 1" in app.error[0].value
    column(app, "Class").set_value(1).run()
    assert not app.error
    assert not app.exception


def test_adding_says_that_a_split_is_not_kept(
    open_page: OpenPage, workspace: Workspace, class_folders, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    job = datasets.start_import(workspace, class_folders, "Parts", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    names = [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in ("gut", "new") for i in (1, 2)]
    folder = tree(tmp_path / "more", *names)
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    assert said(app, "contain a split. It is kept as the split 'as delivered'")
    app.selectbox(key="into").set_value(job.subject_id).run()
    assert said(app, "It is not kept, because a split covers a whole dataset")
    assert not said(app, "kept as the split")
    assert not app.exception


def test_the_encoding_of_a_table_is_shown_and_can_be_changed(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = tree(tmp_path / "s", "1.png", "2.png", "3.png", "4.png")
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    app.selectbox(key="labels").set_value(LabelSource.TABLE).run()
    table = "path;label\n1.png;скол\n2.png;годный\n3.png;скол\n4.png;годный\n".encode("cp1251")
    app.file_uploader[0].set_value(("t.csv", table, "text/csv")).run()
    box = column(app, "Encoding")
    assert box.options[0] == "detected: Windows-1251 (Cyrillic)"
    assert said(app, "encoding: Windows-1251 (Cyrillic)")
    assert app.multiselect(key="leave_out").options == ["годный", "скол"]
    box.set_value("cp866").run()
    assert said(app, "encoding: DOS 866 (Cyrillic)")
    assert "годный" not in app.multiselect(key="leave_out").options
    assert not app.exception


def test_names_with_several_labels_are_asked_about_before_the_import(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    folder = tree(tmp_path / "s", "crack/1.png", "ok/2.png", "crack;stain/3.png")
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    assert said(app, "'crack;stain'. Choose what they are.")
    assert app.button(key="do_import").disabled
    app.segmented_control(key="combined").set_value(CombinedLabels.FIRST).run()
    assert said(app, "Only the first label counts.")
    assert app.multiselect(key="leave_out").options == ["crack", "ok"]
    assert not app.button(key="do_import").disabled
    assert not app.exception


def test_names_in_an_old_zip_file_are_decoded_and_the_encoding_can_be_changed(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    place = tmp_path / "old.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for number in (0, 1):
            image = save_image(tmp_path / f"{number}.png", np.full((9, 9, 3), number))
            archive.write(image, f"fol{number}/{number}.png")
    content = place.read_bytes()
    for number, folder in enumerate(("割れ", "良品")):
        content = content.replace(f"fol{number}/".encode(), folder.encode("cp932") + b"/")
    place.write_bytes(content)
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(place)).run()
    assert said(app, "are read as Shift-JIS (Japanese)")
    assert app.multiselect(key="leave_out").options == ["割れ", "良品"]
    column(app, "Encoding of file names").set_value("cp1251").run()
    assert said(app, "are read as Windows-1251 (Cyrillic)")
    column(app, "Encoding of file names").set_value("utf-8").run()
    assert "file names in the ZIP file are not UTF" in app.error[0].value
    app.run()
    assert app.multiselect(key="leave_out").options == ["割れ", "良品"]
    assert not app.exception


def test_folders_further_up_that_look_like_classes_are_named_and_taken_by_one_click(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    names = [
        f"line{line}/{label}/deep/x/{i}.png"
        for line in (1, 2)
        for label in ("good", "crack")
        for i in range(3)
    ]
    folder = tree(tmp_path / "nested", *names)
    app = open_page("data/import_images.py", workspace)
    app.text_input(key="folder").set_value(str(folder)).run()
    assert said(app, "The folders 'crack' and 'good' on level 2 look like classes.")
    assert not said(app, "choose the folder above the class folders")
    app.button(key="use_level").click().run()
    assert not app.exception
    assert app.selectbox(key="labels").value is LabelSource.FOLDER_LEVEL
    assert said(app, "**12 images** in **2 classes** would be imported.")
    assert not said(app, "look like classes")


def test_what_an_import_warned_of_is_said_on_its_page_and_by_the_command(
    open_page: OpenPage, workspace: Workspace, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    # The page said warnings only while the import ran.
    folder = tree(tmp_path / "set", "good/1.png", "good/2.png", "bad/1.png")
    pages = [Image.new("L", (16, 16), gray) for gray in (0, 255)]
    pages[0].save(folder / "bad" / "scan.tif", save_all=True, append_images=pages[1:])
    place = ["--workspace", str(workspace.root), "--json"]
    answer = CliRunner().invoke(commands, ["import", str(folder), "--name", "Set", *place])
    assert answer.exit_code == 0, answer.output
    (warning,) = json.loads(answer.stdout)["warnings"]
    assert warning.startswith("1 file has several pages; only the first is used: bad/scan.tif.")
    assert warning in " ".join(answer.stderr.split())
    (job,) = jobs.latest_of_kind(workspace, JobKind.IMPORT).values()
    app = open_page("data/import_images.py", workspace, **{"import": job.subject_id})
    assert [warning] == [item.value.replace("\\", "") for item in app.warning]
