"""What a server needs of each model: the file, the hash, the decision rule."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from core.domain.models import ModelStage
from core.errors import NotFoundError
from core.evaluation.decisions.rule import DecisionRule
from core.files import read_user_file
from core.models.bundle import MAX_MODEL_BYTES, read_card, with_rule
from core.workflows.results.thresholds import saved_rule
from core.workflows.use import registry
from core.workflows.use.models import exported_bundle, find_model, rule_of_file
from core.workspace import Workspace


@dataclass(frozen=True)
class ModelToServe:
    """A model by its file; `sha256` is that of the file without its rule, the same everywhere."""

    id: str
    name: str
    sha256: str
    bundle: Path
    rule: DecisionRule | None
    is_retired: bool = False


def released_names(workspace: Workspace) -> list[str]:
    """The ids of the released models, newest first.

    Raises:
        NotFoundError: if there is none.
    """
    names = [model.id for model in registry.released(workspace)]
    if not names:
        raise NotFoundError(
            "No model is released.",
            "Name the models to serve, or release one: touchstone models stage MODEL released.",
        )
    return names


def model_to_serve(workspace: Workspace, given: str) -> ModelToServe:
    """The model of this name or id, or of the model file at this path.

    Raises:
        NotFoundError: if there is no such model.
        ModelFileError: if the file cannot be used.
    """
    path = Path(given)
    if path.suffix == ".safetensors" and path.is_file():
        card = read_card(path)
        content = read_user_file(path, most_bytes=MAX_MODEL_BYTES)
        digest = hashlib.sha256(with_rule(content, "") if card.rule else content).hexdigest()
        return ModelToServe(path.name, card.name, digest, path, rule_of_file(card))
    model = find_model(workspace, given)
    bundle = exported_bundle(workspace, model)
    rule = saved_rule(workspace, model.id)
    is_retired = model.stage is ModelStage.RETIRED
    return ModelToServe(model.id, model.name, model.sha256, bundle, rule, is_retired)
