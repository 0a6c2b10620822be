"""The JSON of what a model says of images that were added to its dataset."""

from core.api.models import limit_as_json
from core.api.values import JsonObject
from core.workflows.use.new_images import NewImages


def new_images_as_json(found: NewImages) -> JsonObject:
    """How many added images are unlike what the model knows, and the least familiar of them."""
    return {
        "model_id": found.model_id,
        "model": found.model_name,
        "compared": found.compared,
        "unreadable": found.unreadable,
        "unfamiliar": found.unfamiliar,
        "of_new_classes": found.of_new_classes,
        "most": [
            {"path": item.sample.path, "name": item.sample.name, "score": item.score}
            for item in found.most
        ],
        "limit": None if found.limit is None else limit_as_json(found.limit),
    }
