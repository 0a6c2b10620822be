"""Searches and refits in this process: nothing is lost, and order makes no difference."""

from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.choices import Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.jobs import JobKind, JobStatus
from core.domain.search import Search, TrialState, best_trial, range_of, searchable
from core.domain.splits import Subset
from core.domain.training import RatePoint, suggested_rate
from core.errors import TrainingError
from core.store import datasets, jobs, runs, searches, splits, versions
from core.store.database import connect, transaction
from core.worker.launcher import lane_lock
from core.worker.search import job as search_job
from core.worker.session import JobSession
from core.worker.training import job as train_job
from core.workflows.training import record, refit
from core.workflows.training import runs as run_actions
from tests.conftest import copy_of, marked_image, save_image


def _session(workspace, kind, subject):
    with connect(workspace) as db:
        jobs.enqueue(db, kind, subject, {}, now=1.0)
        job = jobs.claim(db, kind.lane, owner="me", now=2.0)
    assert job is not None
    assert job.subject_id == subject
    return JobSession(workspace, job, "me")


def _search(workspace, run, name, trials):
    search = Search(
        id=name,
        name=name,
        dataset_id=run.dataset_id,
        split_id=run.split_id,
        version=run.version,
        preprocess=run.preprocess,
        augment=run.augment,
        train=run.train,
        over=("class_weights", "label_smoothing"),
        minutes=60,
        trials=trials,
        folds=2,
        created_at=1.0,
    )
    with connect(workspace) as db, transaction(db):
        searches.insert_search(db, search)
    search_job.run(_session(workspace, JobKind.SEARCH, name))
    with connect(workspace) as db:
        return searches.trials_of(db, name)


@pytest.mark.soak
def test_a_search_that_goes_on_keeps_its_trials_and_tries_what_it_would_have_tried(
    trained, tmp_path
):
    workspace, run = copy_of(trained.workspace, tmp_path / "copy"), trained.run.run
    straight = _search(workspace, run, "straight", 2)
    assert [t.state for t in straight] == [TrialState.COMPLETED] * 2
    assert all(0 <= (t.score or -1) <= 1 for t in straight)

    (first,) = _search(workspace, run, "disturbed", 1)
    with connect(workspace) as db, transaction(db):  # killed in the second trial
        db.conn.execute("UPDATE searches SET trials = 2 WHERE id = 'disturbed'")
        db.conn.execute("UPDATE jobs SET status = 'interrupted' WHERE subject_id = 'disturbed'")
    search_job.run(_session(workspace, JobKind.SEARCH, "disturbed"))
    with connect(workspace) as db:
        kept = searches.trials_of(db, "disturbed")
        assert jobs.latest_job(db, "disturbed").status is JobStatus.COMPLETED
    assert kept[0] == first
    assert [(t.values, t.score) for t in kept] == [(t.values, t.score) for t in straight]
    assert [v.run.id for v in run_actions.list_runs(workspace)] == [run.id]  # trials are no runs
    best = best_trial(kept)
    assert best is not None
    assert best.score == max(t.score for t in kept)


def test_a_range_lies_around_the_usual_value_within_what_is_allowed():
    usual = recipe_defaults(Recipe.FULL, "tf_efficientnet_lite0")
    known = {item.name: item for item in searchable(Recipe.FULL)}
    assert not {"network", "seed", "device", "epochs", "start_model", "recipe"} & known.keys()
    rate = range_of(known["learning_rate"], usual.learning_rate)
    assert rate.is_log
    assert rate.low < usual.learning_rate < rate.high
    assert usual.batch_size in range_of(known["batch_size"], usual.batch_size).choices
    smoothing = range_of(known["label_smoothing"], 0.0)
    assert (smoothing.low, smoothing.high) == (0.0, 0.5)
    assert {item.name for item in searchable(Recipe.QUICK)} >= {"class_weights", "penalty"}


def test_the_suggested_rate_is_where_the_loss_falls_most_steeply():
    losses = [2.0, 2.0, 1.9, 1.3, 0.8, 0.7, 0.9, 3.0]
    points = [RatePoint(10.0 ** (i - 6), loss) for i, loss in enumerate(losses)]
    assert suggested_rate(points) == pytest.approx(1e-3)
    flat = [RatePoint(10.0 ** (i - 6), loss) for i, loss in enumerate([1.0, 1.0, 1.01, 1.6, 9.0])]
    assert suggested_rate(flat) == pytest.approx(1e-5)  # it started from a solved head
    assert suggested_rate([]) is None


def test_a_refit_learns_a_new_class_and_does_not_depend_on_the_order_of_its_images(
    trained, tmp_path
):
    # Continual learning elsewhere is not additive: the order of the images changes the result.
    run = trained.run.run
    with pytest.raises(TrainingError, match="Nothing is new"):
        refit.refit(trained.workspace, run.id)
    batches = [
        [("ring", marked_image("stripes", n)[0][::-1].copy()) for n in range(90, 96)],
        [("blue disc", marked_image("blue disc", n)[0]) for n in range(80, 84)],
    ]
    hashes = []
    for number, order in enumerate((batches, batches[::-1])):
        workspace = copy_of(trained.workspace, tmp_path / f"copy{number}")
        for batch in order:
            _add(workspace, run.dataset_id, batch, tmp_path / f"more{number}")
        news = refit.news_of(workspace, run)
        assert refit.news_in_words(news) == "10 new images; new class ring"
        split = refit.extended_split(workspace, run.split_id)
        again = replace(run, id="again", split_id=split.id, version=split.version)
        again = replace(again, train=replace(run.train, penalty=1.0))
        with connect(workspace) as db, transaction(db):
            runs.insert_run(db, again)
        train_job.run(_session(workspace, JobKind.TRAIN, "again"))
        view = run_actions.find_run(workspace, "again")
        (model,) = record.run_record(workspace, view).models
        assert "ring" in model.model.class_names
        hashes.append(model.weights_sha256)
    assert hashes[0] == hashes[1]


def test_a_trained_model_goes_on_with_new_images_on_its_own_split_extended(trained, tmp_path):
    # A staged or full run could not be refitted: it was to be cloned, on a split that mixed all.
    workspace, run = copy_of(trained.workspace, tmp_path / "copy"), trained.run.run
    full = replace(run, id="full", train=recipe_defaults(Recipe.FULL, run.train.network))
    with connect(workspace) as db, transaction(db):
        runs.insert_run(db, full)
        db.conn.execute("UPDATE models SET run_id = 'full' WHERE id = ?", [trained.model.id])
        before = splits.split_members(db, run.split_id)
    batch = [("blue disc", marked_image("blue disc", n)[0]) for n in range(80, 84)]
    _add(workspace, run.dataset_id, batch, tmp_path / "more")
    with lane_lock(workspace, JobKind.TRAIN.lane).acquire():  # it is not to be trained here
        view = refit.refit(workspace, "full")
    assert view.run.train == replace(full.train, start_model=trained.model.id)
    with connect(workspace) as db:
        after = splits.split_members(db, view.run.split_id)
    assert before.items() < after.items()


def test_new_images_are_placed_by_content_and_follow_their_group(trained):
    with connect(trained.workspace) as db:
        (sample, *_) = datasets.samples_of(db, trained.dataset.id)
    new = [replace(sample, id=i, sha256=f"{i:064x}", label=i % 3) for i in range(100, 160)]
    members = {100: Subset.TEST, 102: Subset.VALIDATION}
    groups = {s.id: s.id for s in new} | {101: 100, 103: 102}
    shares = {Subset.TRAIN: 0.6, Subset.VALIDATION: 0.2}
    placed = refit.placed(new, members, groups, shares, 7)
    assert placed[102] is placed[103] is Subset.VALIDATION
    assert placed[100] is Subset.TEST
    assert 101 not in placed  # of a part in the fixed test set: it may neither test nor train
    assert {placed[i] for i in placed if i != 100} == {Subset.TRAIN, Subset.VALIDATION}
    assert refit.placed(new[::-1], members, groups, shares, 7) == placed
    lonely = [replace(sample, id=i, sha256=f"{i:064x}", label=9) for i in range(300, 303)]
    only = refit.placed(lonely, {}, {s.id: s.id for s in lonely}, {Subset.VALIDATION: 1.0}, 7)
    assert Subset.TRAIN in only.values()


def _add(workspace, dataset_id, images, folder):
    import hashlib

    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, dataset_id)
        (example, *_) = datasets.samples_of(db, dataset_id)
        names = [*dataset.class_names]
        names += [n for n in dict.fromkeys(name for name, _ in images) if n not in names]
        samples = []
        for number, (name, pixels) in enumerate(images):
            path = save_image(folder / name / f"new {number}.png", np.ascontiguousarray(pixels))
            content = path.read_bytes()
            samples.append(
                replace(
                    example,
                    id=0,
                    path=str(path),
                    name=f"{name}/new {number}.png",
                    sha256=hashlib.sha256(content).hexdigest(),
                    file_size=len(content),
                    label=names.index(name),
                    modified_at=path.stat().st_mtime,
                    file_time=path.stat().st_mtime,
                )
            )
        versions.add_samples(db, dataset, samples, "Added", class_names=names)
