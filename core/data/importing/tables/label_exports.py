"""Labels in the JSON files of labeling programs, as rows of a table.

Read are the exports of Label Studio (JSON and JSON-MIN), COCO and FiftyOne, lists of objects with
one value per key, one object per line, and an object of paths with their labels.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from core.data.importing.tables.path_index import has_image_ending
from core.errors import ImportSourceError

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Row = dict[str, str]
_JOINT = "|"  # between several labels of one image


def rows_of_json(text: str) -> list[list[str]] | None:
    """The header and the rows in a JSON text; None if it is not JSON.

    Raises:
        ImportSourceError: if it contains no table.
    """
    value = _parsed(text)
    if value is None:
        return None
    rows = [row for row in _rows(value) if row]
    if not rows:
        raise ImportSourceError(
            "The JSON file has no labels of images in a form that is known.",
            "Export the labels as CSV, with the path of the image and its label in every line.",
        )
    titles = list(dict.fromkeys(title for row in rows for title in row))
    return [titles, *([row.get(title, "") for title in titles] for row in rows)]


def _parsed(text: str) -> Json:
    try:
        whole: Json = json.loads(text)
        return whole
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None


def _rows(value: Json) -> Iterator[Row]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from _rows_of_item(item)
    elif isinstance(value, dict):
        yield from _rows_of_object(value)


def _rows_of_object(value: Mapping[str, Json]) -> Iterator[Row]:
    images, labels, lists = value.get("images"), value.get("labels"), list(value.values())
    if isinstance(images, list) and "annotations" in value and "categories" in value:
        yield from _coco(value)
    elif isinstance(labels, dict):
        yield from _by_path(labels, _names(value.get("classes")))
    elif len(lists) == 1 and isinstance(lists[0], list):
        yield from _rows(lists[0])
    elif lists and all(isinstance(item, str | int) for item in lists):
        yield from _by_path(value, {})
    else:
        yield from _rows_of_item(value)


def _rows_of_item(item: Mapping[str, Json]) -> Iterator[Row]:
    """The rows of one image: a task of Label Studio, or an object with one value per key."""
    data = item.get("data")
    annotations = item.get("annotations", item.get("completions"))
    if not isinstance(data, dict) or not isinstance(annotations, list):
        yield _flat(item)
        return
    about = _flat(data)
    if not about:
        return
    path = next((key for key, cell in about.items() if has_image_ending(cell)), next(iter(about)))
    said = {"image": about.pop(path)} | about
    done = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")]
    choices = [labels for a in done if (labels := _choices(a.get("result")))]
    yield from ({**said, **labels} for labels in choices or [{}])


def _choices(result: Json) -> Row:
    """The labels of one annotation, by the name of the question."""
    labels: Row = {}
    for region in result if isinstance(result, list) else ():
        value = region.get("value") if isinstance(region, dict) else None
        if isinstance(region, dict) and isinstance(value, dict) and "choices" in value:
            labels[str(region.get("from_name") or "choice")] = _cell(value)
    return labels


def _coco(value: Mapping[str, Json]) -> Iterator[Row]:
    names = {_cell(c.get("id")): _cell(c.get("name")) for c in _objects(value["categories"])}
    labels: dict[str, list[str]] = {}
    for annotation in _objects(value["annotations"]):
        if name := names.get(_cell(annotation.get("category_id"))):
            labels.setdefault(_cell(annotation.get("image_id")), []).append(name)
    for image in _objects(value["images"]):
        of_image = dict.fromkeys(labels.get(_cell(image.get("id")), ()))
        yield {"path": _cell(image.get("file_name")), "label": _JOINT.join(of_image)}


def _by_path(labels: Mapping[str, Json], names: Mapping[str, str]) -> Iterator[Row]:
    for path, label in labels.items():
        cell = _cell(label)
        yield {"path": path, "label": names.get(cell, cell)}


def _names(classes: Json) -> Row:
    """Class names by their position, as FiftyOne refers to them."""
    return {str(i): str(n) for i, n in enumerate(classes)} if isinstance(classes, list) else {}


def _objects(value: Json) -> Iterable[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _flat(item: Mapping[str, Json]) -> Row:
    """The values that fit into a cell."""
    cells = {str(key): _cell(value) for key, value in item.items()}
    return {key: cell for key, cell in cells.items() if cell or item[key] in (None, "")}


def _cell(value: Json) -> str:
    """A value as text; several labels are joined, and what is neither is empty."""
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, list):
        return _JOINT.join(map(str, value)) if all(isinstance(v, str) for v in value) else ""
    if value is None or isinstance(value, dict):
        return ""
    return str(value)
