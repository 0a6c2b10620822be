"""The training job: pixels, then a solved head or fine-tuning, then confidences and the model."""

import contextlib
import importlib
import threading
from typing import assert_never

from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import Recipe
from core.worker.session import JobSession
from core.worker.training.data import TrainingData, load_training_data
from core.worker.training.good_only import good_only
from core.worker.training.model import TrainedModel, note_agreement, store_model
from core.worker.training.quick import quick
from core.worker.training.start import learned_before


def run(session: JobSession) -> None:
    """Train what the job's run asks for, from its last state; or make a model of a checkpoint."""
    # Why now: the solver needs it after the features, and its import takes over a second.
    threading.Thread(target=_import_solver).start()
    material = load_training_data(session)
    if key := session.job.payload.get("checkpoint"):
        from core.worker.training.fine_tuning import of_checkpoint

        made = of_checkpoint(session, material, str(key))
    else:
        if learned_before(session.workspace, material.run) is None:
            session.warn(
                "It is not known from which images the start model has learned. If validation or "
                "test images are among them, their results are too good."
            )
        made = trained(session, material)
        if recipe_is_trained(material.run.train.recipe):
            from core.worker.training.solved_start import better_of

            made = better_of(session, material, made)
    note_agreement(session, material, made)
    store_model(session, material, made)


def _import_solver() -> None:
    # Why it may fail: the other thread may be amid an import of torch. It is imported later, then.
    with contextlib.suppress(AttributeError, ImportError):
        importlib.import_module("sklearn.model_selection")


def trained(session: JobSession, material: TrainingData) -> TrainedModel:
    """What the recipe of a run makes of its data, before it is stored."""
    match material.run.train.recipe:
        case Recipe.QUICK:
            return quick(session, material)
        case Recipe.STAGED:
            # Why here: it imports torch, which takes seconds and the quick recipe does without.
            from core.worker.training.fine_tuning import staged

            return staged(session, material)
        case Recipe.FULL:
            from core.worker.training.fine_tuning import full

            return full(session, material)
        case Recipe.GOOD_ONLY:
            return good_only(session, material)
        case _:
            assert_never(material.run.train.recipe)
