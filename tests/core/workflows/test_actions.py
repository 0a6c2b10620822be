"""What people do with datasets, splits, models and results, without a worker."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core.cli.app import app as command_line
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Verdict
from core.domain.jobs import JobKind, JobStatus
from core.domain.models import PartDecision, Prediction
from core.domain.splits import Subset
from core.domain.training import EpochDetails, EpochMetrics, HardImage, RunDetails
from core.errors import (
    ConfigError,
    ModelFileError,
    NameTakenError,
    NetworkUnavailableError,
    NotFoundError,
    PathNotAllowedError,
    SplitError,
    TrainingError,
    WorkspaceError,
)
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.inference import service
from core.models.bundle import read_card, read_tensors, with_rule, write_bundle
from core.store import batches, jobs, judgement
from core.store import models as model_rows
from core.store import runs as run_rows
from core.store import splits as split_rows
from core.store.batches import BatchImage
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.data import datasets, splits, uploads
from core.workflows.results import evaluation
from core.workflows.results.judging import judged_set
from core.workflows.training import refit, runs
from core.workflows.use import feedback, models, prediction
from tests.conftest import QUICK, copy_of, marked_image
from tests.made import add_model, make_dataset


@pytest.fixture
def copy(trained, tmp_path):
    return copy_of(trained.workspace, tmp_path / "copy")


def test_a_split_is_never_overwritten(copy, trained):
    dataset = trained.dataset
    again = splits.create_split(copy, dataset.id)
    assert again.name != trained.split.name
    assert again.digest == trained.split.digest
    with pytest.raises(NameTakenError):
        splits.create_split(copy, dataset.id, name=again.name.upper())
    assert splits.find_split(copy, dataset.id, None) == again
    assert splits.find_split(copy, dataset.id, trained.split.name) == trained.split
    assert len(splits.list_splits(copy, dataset.id)) == 2


def test_every_image_is_in_the_subset_that_the_counts_say(trained):
    counts = splits.subset_counts(trained.workspace, trained.dataset, trained.split.id)
    for subset in Subset:
        for label, name in enumerate(trained.dataset.class_names):
            found, n = datasets.samples(
                trained.workspace,
                trained.dataset.id,
                label=label,
                split_id=trained.split.id,
                subset=subset,
                limit=2,
            )
            assert n == counts[subset][name]
            assert len(found) == min(2, n)
    assert counts[Subset.TRAIN] == {"blue disc": 12, "stripes": 12}


def test_text_in_a_search_is_text(trained):
    for text, expected in (("STRIPES/00", 10), ("'; DROP TABLE samples; --", 0), ("%", 0)):
        assert datasets.samples(trained.workspace, trained.dataset.id, text=text)[1] == expected


def test_what_a_running_training_uses_cannot_be_deleted(copy, trained):
    run = trained.run.run
    with connect(copy) as db:
        job_id = jobs.enqueue(db, JobKind.TRAIN, run.id, {}, now=1.0)
    for delete in (
        lambda: datasets.delete_dataset(copy, run.dataset_id),
        lambda: splits.delete_split(copy, run.split_id),
        lambda: runs.delete_run(copy, run.id),
    ):
        with pytest.raises(WorkspaceError):
            delete()
    with connect(copy) as db:
        assert jobs.stop_queued(db, job_id, now=2.0)
    (copy.runs / run.id).mkdir(parents=True, exist_ok=True)
    splits.delete_split(copy, run.split_id)
    assert not (copy.runs / run.id).exists()
    assert models.find_model(copy, trained.model.id).name == trained.model.name


def test_deleting_a_dataset_keeps_its_models_and_the_images_in_place(copy, trained):
    datasets.delete_dataset(copy, trained.dataset.id)
    assert models.find_model(copy, trained.model.id).dataset_id is None
    assert len(list(trained.images.glob("*/*.png"))) == 40
    assert not list(copy.pixels.iterdir())
    with pytest.raises(NotFoundError, match="no test results"):
        evaluation.evaluation_report(copy, trained.model.id, Subset.TEST)


def test_training_is_refused_before_it_starts_where_it_cannot_work(workspace, copy, trained):
    with pytest.raises(NetworkUnavailableError):
        runs.start_training(copy, trained.dataset.id, replace(QUICK, network="resnet50"))
    splits.delete_split(copy, trained.split.id)
    with pytest.raises(SplitError, match="not been split"):
        runs.start_training(copy, trained.dataset.id, QUICK)
    with pytest.raises(NotFoundError):
        runs.start_training(workspace, "ds-none", QUICK)
    assert runs.list_runs(workspace) == []


def test_only_ended_runs_can_be_resumed(trained):
    with pytest.raises(TrainingError, match="is completed"):
        runs.resume_training(trained.workspace, trained.run.run.id)


def test_saved_preprocessing_is_the_next_default(copy, trained):
    config = PreprocessConfig(160, roi_left=0.25)
    key = trained.dataset.id
    assert runs.default_preprocess(copy, key, QUICK.network).image_size_px == 224
    datasets.save_preprocess(copy, key, config)
    assert runs.default_preprocess(copy, key, QUICK.network) == config
    requested = runs.default_preprocess(copy, key, QUICK.network, image_size_px=96)
    assert requested == replace(config, image_size_px=96)
    datasets.save_preprocess(copy, key, None)
    assert datasets.saved_preprocess(copy, key) is None


def test_judged_images_come_in_the_order_asked_for(trained):
    found = evaluation.judge(trained.workspace, trained.model.id, Subset.TRAIN)
    stripes = [int(i) for i in np.flatnonzero(found.targets == 1)][::-1]
    cell = evaluation.judged_images(trained.workspace, found, stripes)
    assert [item.sample.id for item in cell] == found.sample_ids[stripes].tolist()
    assert all("stripes/" in item.sample.path and item.target == 1 for item in cell)


def test_a_downloaded_model_decides_elsewhere_as_here(copy, workspace, trained, tmp_path):
    # The file left its threshold behind, so that an uploaded model decided nothing.
    names = trained.model.class_names
    rule = DecisionRule(
        OperatingPoint(0.3, 0.7), names, (Verdict.OK, Verdict.NOK), "by hand", 0.95, 1.0
    )
    with connect(copy) as db:
        judgement.save_operating_point(db, trained.model.id, rule_to_json(rule))
    file = models.model_file(copy, trained.model)
    assert models.model_file(trained.workspace, trained.model) == models.exported_bundle(
        trained.workspace, trained.model
    )
    folder = tmp_path / "out"
    at, elsewhere = (["--workspace", str(place.root), "--json"] for place in (copy, workspace))
    runner = CliRunner()
    runner.invoke(command_line, ["export-model", trained.model.id, str(folder), *at])
    assert (folder / "model.safetensors").read_bytes() == file.read_bytes()
    answer = runner.invoke(
        command_line, ["add-model", str(folder / "model.safetensors"), *elsewhere]
    )
    assert json.loads(answer.stdout)["rule"] == rule.in_words
    uploaded = models.find_model(workspace, json.loads(answer.stdout)["model_id"])
    assert (uploaded.name, uploaded.sha256) == (trained.model.name, trained.model.sha256)
    again = models.upload_model(workspace, file, check=lambda *_: None)
    assert again.name == "Marks quick 2"
    image = trained.images / "stripes" / "000.png"
    here, there = (
        prediction.predict(place, model, [image], ["x"])[0]
        for place, model in ((copy, trained.model), (workspace, uploaded))
    )
    assert here == there
    assert here.decision is PartDecision.REJECT

    other = tmp_path / "other.safetensors"
    stranger = rule_to_json(replace(rule, class_names=("a", "b")))
    for text in (stranger, "no rule"):
        other.write_bytes(with_rule(file.read_bytes(), text))
        with pytest.raises(ModelFileError, match="decision rule inside"):
            models.upload_model(workspace, other, check=service.check_bundle)


def test_a_model_with_a_long_name_can_be_uploaded(workspace, trained, tmp_path):
    # A run is named after its dataset and network, which may be longer than a name in a form.
    bundle = models.exported_bundle(trained.workspace, trained.model)
    path = tmp_path / "long.safetensors"
    card = replace(read_card(bundle), name="n" * 130)
    path.write_bytes(write_bundle(card, read_tensors(bundle)))
    assert models.upload_model(workspace, path, check=service.check_bundle).name == "n" * 100


def test_a_model_file_that_is_none_leaves_no_model(workspace, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"hello")
    with pytest.raises(ModelFileError):
        models.upload_model(workspace, path, check=service.check_bundle)
    assert models.list_models(workspace) == []


def test_damaged_weights_are_noticed_and_never_used(copy, trained):
    model_rows.bundle_path(copy, trained.model).unlink(missing_ok=True)
    with connect(copy) as db:
        db.execute("UPDATE model_chunks SET data = zeroblob(length(data)) WHERE position = 0")
    with pytest.raises(ModelFileError, match="damaged"):
        models.exported_bundle(copy, trained.model)
    assert not model_rows.bundle_path(copy, trained.model).exists()


def test_a_file_of_a_model_that_was_damaged_on_disk_is_written_again(copy, trained):
    # Predictions came from the damaged weights, and downloads handed them over.
    file = model_rows.bundle_path(copy, trained.model)
    file.unlink(missing_ok=True)
    whole = models.exported_bundle(copy, trained.model).read_bytes()
    rule = DecisionRule(
        OperatingPoint(0.3, 0.7),
        trained.model.class_names,
        (Verdict.OK, Verdict.NOK),
        "by hand",
        0.95,
        1.0,
    )
    with connect(copy) as db:
        judgement.save_operating_point(db, trained.model.id, rule_to_json(rule))
    handed_over = models.model_file(copy, trained.model)
    with_rule = handed_over.read_bytes()
    for path, content in ((file, whole), (handed_over, with_rule)):
        path.write_bytes(content[:1000] + bytes(1000) + content[2000:])
    model_rows._SOUND.clear()  # as when the app starts again
    assert models.exported_bundle(copy, trained.model).read_bytes() == whole
    assert models.model_file(copy, trained.model).read_bytes() == with_rule


def test_models_are_renamed_and_deleted(copy, trained):
    models.rename_model(copy, trained.model.id, "  Neu\u0308 ")
    model = models.find_model(copy, "Neü")
    with pytest.raises(ConfigError):
        models.rename_model(copy, model.id, "\n")
    models.exported_bundle(copy, model)
    with connect(copy) as db:  # an unfinished batch, whose results nobody can use any more
        jobs.enqueue(db, JobKind.PREDICT, "batch-1", {"model_id": model.id}, now=1.0)
        job = jobs.claim(db, "data", owner="me", now=2.0)
        image = BatchImage("a.png", (1, 1), np.zeros(2, np.float32))
        assert batches.save_images(db, "batch-1", [image], job_id=job.id, owner="me")
    models.delete_model(copy, model.id)
    with connect(copy) as db:
        assert batches.states_of(db, "batch-1") == {}
    assert not model_rows.bundle_path(copy, model).exists()
    with pytest.raises(NotFoundError):
        models.delete_model(copy, model.id)
    assert evaluation.evaluated_subsets(copy, model.id) == []


def test_feedback_becomes_a_version_and_leaves_a_sealed_test_alone(copy, trained):
    sealed = splits.seal_test(copy, trained.split.id)
    images = [
        feedback.ConfirmedImage(f"../odd/{n}.png", _png(n), "stripes", f"part {n // 2}")
        for n in (700, 701)
    ]
    with pytest.raises(ConfigError, match="no class 'dent'"):
        feedback.add_to_dataset(copy, trained.dataset, [replace(images[0], class_name="dent")])
    known = (trained.images / "stripes" / "000.png").read_bytes()
    images.append(feedback.ConfirmedImage("known.png", known, "blue disc"))
    job = feedback.add_to_dataset(copy, trained.dataset, images)
    job_actions.wait(copy, job.id, on_change=lambda _: None)
    now = datasets.find_dataset(copy, trained.dataset.id)
    added, n = datasets.samples(copy, now.id, label=1, limit=100)
    assert (now.version, n) == (2, 22)
    new = [s for s in added if s.group == "part 350"]
    assert len(new) == 2
    extended = refit.extended_split(copy, sealed.id)
    with connect(copy) as db:
        subsets, before = (split_rows.split_members(db, s.id) for s in (extended, sealed))
    tested = {i for i, subset in subsets.items() if subset is Subset.TEST}
    assert tested == {i for i, subset in before.items() if subset is Subset.TEST}
    assert {s.id for s in new} <= subsets.keys()


def _png(seed):
    buffer = io.BytesIO()
    Image.fromarray(marked_image("stripes", seed)[0]).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "C:\\x.png", "", "..", "a\\..\\x"])
def test_an_uploaded_file_cannot_leave_its_folder(workspace, name):
    folder = uploads.new_upload_folder(workspace)
    with pytest.raises(ConfigError):
        uploads.store_upload(folder, name, b"x")
    assert list(folder.iterdir()) == []


def test_uploaded_folders_keep_their_structure(workspace):
    folder = uploads.new_upload_folder(workspace)
    uploads.store_upload(folder, "/gut/ä 1.png", b"x")
    assert (folder / "gut" / "ä 1.png").read_bytes() == b"x"


def test_three_uploads_of_one_name_are_all_kept(workspace):
    # A browser gives files of several folders by their base name; the last one replaced the others.
    folder = uploads.new_upload_folder(workspace)
    for content in (b"1", b"2", b"3"):
        uploads.store_upload(folder, "gut/x.y.png", content)
    stored = {file.name: file.read_bytes() for file in (folder / "gut").iterdir()}
    assert stored == {"x.y.png": b"1", "x.y (2).png": b"2", "x.y (3).png": b"3"}
    with pytest.raises(ConfigError, match="name of another file"):
        uploads.store_upload(folder, "gut/x.y.png/z.png", b"4")


def test_only_allowed_folders_are_predicted(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("TOUCHSTONE_IMPORT_ROOTS", str(tmp_path))
    with pytest.raises(PathNotAllowedError):
        prediction.start_batch(trained.workspace, trained.model, trained.images)


def test_the_table_of_predictions_runs_nothing_in_a_spreadsheet():
    items = [
        Prediction("=HYPERLINK(1).png", (("@bad", 0.75), ("good", 0.25))),
        Prediction("b.png", error="+broken"),
    ]
    rows = prediction.as_csv(items, ["good", "@bad"]).decode("utf-8-sig").splitlines()
    assert rows[0] == "path,class,confidence,error,good,'@bad"
    assert rows[1] == "'=HYPERLINK(1).png,'@bad,0.75,,0.25,0.75"
    assert rows[2] == "b.png,,,'+broken,,"


def test_a_diverged_loss_comes_back_from_the_database_as_no_number(copy, trained):
    run_id = trained.run.run.id
    with connect(copy) as db:
        job_id = jobs.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        jobs.claim(db, "training", owner="me", now=2.0)
        line = EpochMetrics(0, np.nan, np.nan, 0.5, 0.5, 0.1, 1.0, is_best=True)
        assert not run_rows.save_epochs(db, run_id, [line], job_id=job_id, owner="thief")
        assert run_rows.save_epochs(db, run_id, [line], job_id=job_id, owner="me")
        stored = run_rows.epochs_of(db, run_id)[0]
        assert np.isnan(stored.train_loss)
        assert stored.is_best
        later = [replace(line, epoch=epoch, is_best=epoch < 4) for epoch in range(1, 8)]
        image = HardImage(7, 0, 1, 0.9, 2.5)
        details = [EpochDetails(e, ((3, e), (0, 5)), (image,)) for e in range(8)]
        assert run_rows.save_epochs(db, run_id, later, details, job_id=job_id, owner="me")
        # A thousand epochs of a thousand classes would fill the database.
        assert db["epoch_details"].count == 2
        assert run_rows.details_of(db, run_id) == RunDetails(details[7], details[3])
        run_rows.drop_epochs_from(db, run_id, 5, job_id=job_id, owner="me")
        assert len(run_rows.epochs_of(db, run_id)) == 5
        assert run_rows.details_of(db, run_id) == RunDetails(None, details[3])
        jobs.finish(db, job_id, JobStatus.FAILED, owner="me", now=3.0)


def test_measurements_of_a_table_are_sliced_in_ranges_and_serial_numbers_not_at_all(workspace):
    # Both used to vanish without a word, since they have more than 200 values.
    made = make_dataset(workspace, per_subset=300)
    add_model(made, "m")
    with connect(workspace) as db, db.conn:
        db.conn.execute(
            """UPDATE samples SET part = 'part ' || (id / 2), attributes = '{"exposure_us": "' ||
            (100 + id) || '", "line": "' || (id % 3) || '", "serial": "SN-' || id || '"}'"""
        )
    found = judged_set(workspace, "m", Subset.TEST)
    columns = evaluation.slice_columns(workspace, found.dataset, found)
    assert len(set(columns["table: exposure_us"])) == 4
    assert set(columns["table: line"]) == {"0", "1", "2"}
    assert "table: serial" not in columns
    assert len(set(columns["group"])) <= 200


def test_images_are_not_sliced_by_the_folder_that_is_their_class(trained):
    # The tab used to open on it: a second table of the classes, under another name.
    found = evaluation.judge(trained.workspace, trained.model.id, Subset.TEST)
    columns = evaluation.slice_columns(trained.workspace, trained.dataset, found)
    assert "folder" not in columns
    assert "brightness" in columns
