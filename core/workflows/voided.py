"""Sealed tests that a change makes void, or valid again: whose, for a word before it or after."""

from collections.abc import Sequence

from core.domain.models import ModelStanding
from core.domain.stages.facts import ModelFacts
from core.words import joined
from core.workflows.stage_rules import standing_of
from core.workflows.stages import models_of
from core.workspace import Workspace


def valid_seals(workspace: Workspace, dataset_id: str) -> tuple[ModelFacts, ...]:
    """The models of a dataset whose test is sealed and, whether opened or not, not void."""
    return tuple(
        model
        for model in models_of(workspace, dataset_id)
        if model.seal is not None and not model.seal.changes
    )


def voided_since(
    workspace: Workspace, dataset_id: str, before: Sequence[ModelFacts]
) -> tuple[ModelFacts, ...]:
    """Those of `before`, which had a valid seal, whose seal is void now."""
    if not before:
        return ()
    valid = {model.id for model in valid_seals(workspace, dataset_id)}
    return tuple(model for model in before if model.id not in valid)


def restored_since(
    workspace: Workspace, dataset_id: str, before: Sequence[ModelFacts]
) -> tuple[ModelFacts, ...]:
    """Models whose seal is valid now and was not `before`, which are those that had a valid one."""
    were = {model.id for model in before}
    return tuple(model for model in valid_seals(workspace, dataset_id) if model.id not in were)


def seals_in_words(models: Sequence[ModelFacts]) -> str:
    """Such as `the sign-off of 'a' and the sealed test of 'b'`; empty for none."""
    passed = [m for m in models if standing_of(m) is ModelStanding.PASSED]
    others = [m for m in models if m not in passed]
    return joined(
        [
            f"{what} of {_named(own)}"
            for what, own in (("the sign-off", passed), ("the sealed test", others))
            if own
        ]
    )


def voided_in_words(models: Sequence[ModelFacts]) -> str:
    """What an edit that can be undone did to these models; empty for none."""
    return f"This voids {seals_in_words(models)}; Undo restores it." if models else ""


def change_in_words(workspace: Workspace, dataset_id: str, before: Sequence[ModelFacts]) -> str:
    """What has happened since to the seals that were valid `before`; empty for nothing."""
    voided = voided_since(workspace, dataset_id, before)
    return voided_in_words(voided) or restored_in_words(
        restored_since(workspace, dataset_id, before)
    )


def restored_in_words(models: Sequence[ModelFacts]) -> str:
    """What an undo gave back to these models; empty for none."""
    return f"This restores {seals_in_words(models)}." if models else ""


def _named(models: Sequence[ModelFacts]) -> str:
    return joined([f"'{model.name}'" for model in models])
