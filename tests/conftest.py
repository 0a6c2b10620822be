"""Shared small, real things: a workspace, a few images, one trained model."""

import atexit
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
from PIL import Image

from core.domain.configs.choices import DetailChoice, Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.datasets import Dataset, LabelSource, Sample, content_digest
from core.domain.jobs import JobKind, JobStatus
from core.domain.models import Model
from core.domain.splits import Split
from core.models.backbone import CACHE_VARIABLE
from core.models.catalog import DEFAULT_NETWORK
from core.store import datasets as dataset_rows
from core.store import jobs as job_rows
from core.store.database import connect, transaction
from core.worker import launcher
from core.worker.launcher import lane_lock
from core.worker.session import JobSession
from core.worker.training import job as training_job
from core.workflows import jobs
from core.workflows.data import datasets, splits
from core.workflows.training import runs
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import ROOT_VARIABLE, Workspace
from tests.warm_workers import WarmWorkers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Why: a missing network must fail at once, and no test may depend on the internet.
os.environ["HF_HUB_OFFLINE"] = "1"
# Why: what is kept once per machine must not come from, or go to, the home of who runs the tests.
# Workers that run tests side by side inherit the folder.
if CACHE_VARIABLE not in os.environ:
    os.environ[CACHE_VARIABLE] = tempfile.mkdtemp(prefix="touchstone-cache-")
    atexit.register(shutil.rmtree, os.environ[CACHE_VARIABLE], ignore_errors=True)
# Why: tests run side by side, and threads that wait by spinning take the other ones' core.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# Why: a change is judged by what it changed, not by chance or a busy machine. To look for more:
# HYPOTHESIS_PROFILE=explore make test
hypothesis.settings.register_profile("same", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

MARK_PX = 64
IMAGE_PX = 192


_places = itertools.count()


@pytest.fixture(scope="session")
def _nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("default")


@pytest.fixture(autouse=True)
def _no_workspace_of_the_user(monkeypatch: pytest.MonkeyPatch, _nowhere: Path) -> None:
    # Why no `tmp_path`: thousands of tests write nothing, and each would make a folder.
    monkeypatch.setenv(ROOT_VARIABLE, str(_nowhere / f"workspace {next(_places)}"))


@pytest.fixture(scope="session", autouse=True)
def warm_workers() -> Iterator[WarmWorkers | None]:
    """Workers are forked from a process that has imported torch, where the system can."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        yield None
        return
    warm = WarmWorkers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher, "subprocess", warm)
        yield warm
    warm.close()


@pytest.fixture(scope="module", autouse=True)
def _no_worker_outlives_its_module(warm_workers: WarmWorkers | None) -> Iterator[None]:
    """What a test has left at work would slow down all that follow."""
    yield
    if warm_workers is not None:
        warm_workers.end_all()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace").create()


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Three classes of small images; names with blanks and Unicode, one folder nested."""
    return write_class_folders(tmp_path / "my images")


def write_class_folders(root: Path, per_class: int = 6) -> Path:
    folders = {"gut": (40, 160, 60), "größe falsch": (170, 60, 40), "deep/割れ": (50, 60, 180)}
    for folder, colour in folders.items():
        for number in range(per_class):
            random = np.random.default_rng([number, *colour])
            shape = (32 + 4 * number, 64 - 4 * number, 3)
            pixels = np.clip(np.array(colour) + random.integers(-30, 30, shape), 0, 255)
            save_image(root / folder / f"pic {number} é.png", pixels)
    return root


def save_image(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


def marked_image(kind: str, seed: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A noisy gray image with one mark somewhere; the mark alone tells the class.

    Returns the pixels [192, 192, 3] and the top left corner of the 64 px mark.
    """
    random = np.random.default_rng([seed, len(kind)])
    pixels = random.normal(128, 12, (IMAGE_PX, IMAGE_PX, 3))
    x, y = (int(v) for v in random.integers(4, IMAGE_PX - MARK_PX - 4, 2))
    patch = pixels[y : y + MARK_PX, x : x + MARK_PX]
    if kind == "stripes":
        patch[:, (np.arange(MARK_PX) // 8) % 2 == 0] = (235, 215, 40)
    else:
        rows, columns = np.ogrid[:MARK_PX, :MARK_PX]
        disc = (rows - MARK_PX / 2) ** 2 + (columns - MARK_PX / 2) ** 2 < (MARK_PX / 2) ** 2
        patch[disc] = (30, 60, 190)
    return np.clip(pixels, 0, 255).astype(np.uint8), (x, y)


def write_marked_images(root: Path, per_class: int) -> Path:
    for kind in ("stripes", "blue disc"):
        for number in range(per_class):
            save_image(root / kind / f"{number:03d}.png", marked_image(kind, number)[0])
    return root


def store_rows(
    workspace: Workspace,
    labels: Sequence[int],
    names: Sequence[str] = ("good", "crack", "dent"),
    *,
    dataset_id: str = "ds-rows",
) -> Dataset:
    """A dataset of rows alone, one image per label, without files."""
    samples = [
        Sample(
            0,
            f"{names[label]}/{number}.png",
            f"{number:064x}",
            label,
            8 + number,
            8,
            "L",
            9,
            name=f"{names[label]}/{number}.png",
        )
        for number, label in enumerate(labels)
    ]
    digest = content_digest((s.sha256, names[s.label or 0]) for s in samples)
    dataset = Dataset(
        dataset_id, f"Rows {dataset_id}", tuple(names), "rows", digest, len(samples), 1.0
    )
    with connect(workspace) as db, transaction(db):
        dataset_rows.insert_dataset(db, dataset, samples)
        return dataset_rows.find_dataset(db, dataset_id)


@dataclass(frozen=True)
class Trained:
    """A workspace in which a small set was imported, split and quick-trained."""

    workspace: Workspace
    images: Path
    dataset: Dataset
    split: Split
    run: RunView
    model: Model


def copy_of(workspace: Workspace, root: Path) -> Workspace:
    """The same content elsewhere; through SQLite, since a worker may still be closing the file."""
    shutil.copytree(
        workspace.root, root, ignore=shutil.ignore_patterns("locks", "workspace.db*", "*.lock")
    )
    with connect(workspace) as db:
        db.conn.execute("VACUUM INTO ?", [str(root / "workspace.db")])
    return Workspace(root).create()


def trained_here(copy: Workspace, trained: Trained, config: TrainConfig) -> RunView:
    """A run, trained in this process."""
    with lane_lock(copy, JobKind.TRAIN.lane).acquire():  # held, so that no worker takes the run
        pixels = trained.run.run.preprocess
        view = runs.start_training(copy, trained.dataset.id, config, preprocess=pixels)
        return run_here(copy, view)


def run_here(copy: Workspace, view: RunView) -> RunView:
    """The run, computed by its worker's code in this process, whose lane is held."""
    with connect(copy) as db:
        job = job_rows.claim(db, JobKind.TRAIN.lane, owner="me", now=2.0)
    training_job.run(JobSession(copy, job, "me"))
    return runs.find_run(copy, view.run.id)


def unseen_copy_of(workspace: Workspace, root: Path) -> Workspace:
    """The same, as if nobody had looked at test results or chosen thresholds: other tests have."""
    copy = copy_of(workspace, root)
    with connect(copy) as db, transaction(db):
        db.conn.execute("DELETE FROM openings")
        db.conn.execute("DELETE FROM operating_points")
    return copy


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium for every test that needs one: a process can run Playwright only once."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


# Why whole: comparing the levels of detail takes as long as everything else together.
QUICK = replace(
    recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK), device="cpu", detail=DetailChoice.WHOLE
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Made once by the real worker; tests must not change it."""
    root = tmp_path_factory.mktemp("trained")
    images = write_marked_images(root / "marks", 20)
    workspace = Workspace(root / "workspace").create()
    job = datasets.start_import(workspace, images, "Marks", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Marks")
    split = splits.create_split(workspace, dataset.id)
    preprocess = runs.default_preprocess(
        workspace, dataset.id, QUICK.network, image_size_px=IMAGE_PX
    )
    view = runs.start_training(
        workspace, dataset.id, QUICK, preprocess=preprocess, name="Marks quick"
    )
    assert view.job is not None
    ended = jobs.wait(workspace, view.job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED
    run = runs.find_run(workspace, view.run.id)
    model = models.find_model(workspace, str(ended.result["model_id"]))
    return Trained(workspace, images, dataset, split, run, model)
