"""The pages and the seven doors of the menu: each page is declared here once, with its address."""

from enum import StrEnum

from core.workflows.inventory import Level


class Place(StrEnum):
    """A page; as text its file below `pages`, which is what Streamlit's page links take."""

    label: str
    icon: str
    url_path: str
    level: Level | None

    def __new__(
        cls, file: str, label: str, icon: str, url_path: str, level: Level | None = None
    ) -> "Place":
        """Declare a page.

        Args:
            file: below `pages`.
            label: its name, as a step and as a heading.
            icon: name of a Material symbol.
            url_path: its address.
            level: what must be open for it; None: nothing.
        """
        place = str.__new__(cls, file)
        place._value_ = file
        place.label, place.icon, place.url_path = label, f":material/{icon}:", url_path
        place.level = level
        return place

    @classmethod
    def at(cls, url_path: str) -> "Place | None":
        """The page at an address; None if there is none."""
        return next((place for place in cls if place.url_path == url_path), None)

    HOME = "home.py", "Home", "home", "home"
    IMPORT = "data/import_images.py", "Import", "upload", "import"
    DATASETS = "data/datasets.py", "Images", "photo_library", "datasets", Level.DATASET
    VERSIONS = "data/versions.py", "History", "history", "versions", Level.DATASET
    QUALITY = "data/quality.py", "Quality", "troubleshoot", "quality", Level.DATASET
    SPLIT = "data/split.py", "Split", "call_split", "split", Level.DATASET
    PREPROCESS = "data/preprocess.py", "Preprocess", "tune", "preprocess", Level.DATASET
    TRAIN = "training/train.py", "Configure", "model_training", "train", Level.SPLIT
    SEARCH = "training/search.py", "Search", "manage_search", "search", Level.SPLIT
    RUNS = "training/runs.py", "Runs", "monitoring", "runs", Level.RUN
    EVALUATE = "results/evaluate.py", "Evaluate", "grid_on", "evaluate", Level.MODEL
    OPERATING_POINT = "results/operating_point.py", "Threshold", "balance", "decide", Level.MODEL
    COMPARE = "results/compare.py", "Compare", "compare_arrows", "compare", Level.MODEL
    TEST_PLANNER = "signoff/plan.py", "Plan", "checklist", "plan"
    SIGN_OFF = "signoff/signoff.py", "Sign-off", "verified", "signoff", Level.MODEL
    RECORD = "signoff/record.py", "Record", "history_edu", "record"
    PREDICT = "use/predict.py", "Predict", "image_search", "predict", Level.MODEL
    MODELS = "use/models.py", "Models", "deployed_code", "models"
    HEALTH = "use/health.py", "Health", "monitor_heart", "health"


def to_verdicts(dataset_id: str, *, back: Place) -> dict[str, str]:
    """Parameters of Images for where the classes of a dataset get their verdicts.

    Args:
        dataset_id: of the dataset.
        back: the page that needs them, to which a button leads back.
    """
    return {"dataset": dataset_id, "tab": "Classes", "back": back.url_path}


class Door(StrEnum):
    """An entry of the menu; the value is its name."""

    icon: str

    def __new__(cls, label: str, icon: str) -> "Door":
        """Declare a door; `icon` is the name of a Material symbol."""
        door = str.__new__(cls, label)
        door._value_ = label
        door.icon = f":material/{icon}:"
        return door

    HOME = "Home", "home"
    DATA = "Data", "photo_library"
    TRAIN = "Train", "model_training"
    RESULTS = "Results", "grid_on"
    SIGN_OFF = "Sign-off", "verified"
    PREDICT = "Predict", "image_search"
    MODELS = "Models", "deployed_code"


MENU: dict[Door, tuple[Place, ...]] = {
    Door.HOME: (Place.HOME,),
    Door.DATA: (Place.IMPORT, Place.DATASETS, Place.QUALITY, Place.SPLIT, Place.VERSIONS),
    Door.TRAIN: (Place.TRAIN, Place.PREPROCESS, Place.SEARCH, Place.RUNS),
    Door.RESULTS: (Place.EVALUATE, Place.OPERATING_POINT, Place.COMPARE),
    Door.SIGN_OFF: (Place.TEST_PLANNER, Place.SIGN_OFF, Place.RECORD),
    Door.PREDICT: (Place.PREDICT,),
    Door.MODELS: (Place.MODELS, Place.HEALTH),
}
# The step that a door opens before another one of it was used.
FIRST: dict[Door, Place] = {
    door: {Door.DATA: Place.DATASETS, Door.SIGN_OFF: Place.SIGN_OFF}.get(door, places[0])
    for door, places in MENU.items()
}


def door_of(place: Place) -> Door:
    """The door behind which a page lies."""
    return next(door for door, places in MENU.items() if place in places)
