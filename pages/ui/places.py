"""The pages of the menu: each is declared here once, with its file, label, icon and address."""

from enum import StrEnum


class Place(StrEnum):
    """A page; as text its file below `pages`, which is what Streamlit's page links take."""

    label: str
    icon: str
    url_path: str

    def __new__(cls, file: str, label: str, icon: str, url_path: str) -> "Place":
        """Declare a page; `icon` is the name of a Material symbol."""
        place = str.__new__(cls, file)
        place._value_ = file
        place.label, place.icon, place.url_path = label, f":material/{icon}:", url_path
        return place

    HOME = "home.py", "Home", "home", "home"
    IMPORT = "data/import_images.py", "Import", "upload", "import"
    DATASETS = "data/datasets.py", "Datasets", "photo_library", "datasets"
    VERSIONS = "data/versions.py", "Versions", "history", "versions"
    QUALITY = "data/quality.py", "Quality", "troubleshoot", "quality"
    SPLIT = "data/split.py", "Split", "call_split", "split"
    PREPROCESS = "data/preprocess.py", "Preprocess", "tune", "preprocess"
    TRAIN = "training/train.py", "Train", "model_training", "train"
    RUNS = "training/runs.py", "Runs", "monitoring", "runs"
    EVALUATE = "results/evaluate.py", "Evaluate", "grid_on", "evaluate"
    OPERATING_POINT = "results/operating_point.py", "Operating point", "balance", "decide"
    COMPARE = "results/compare.py", "Compare", "compare_arrows", "compare"
    TEST_PLANNER = "signoff/plan.py", "Test planner", "checklist", "plan"
    SIGN_OFF = "signoff/signoff.py", "Sign-off", "verified", "signoff"
    PREDICT = "use/predict.py", "Predict", "image_search", "predict"
    MODELS = "use/models.py", "Models", "deployed_code", "models"


MENU: dict[str, tuple[Place, ...]] = {
    "": (Place.HOME,),
    "Data": (
        Place.IMPORT,
        Place.DATASETS,
        Place.VERSIONS,
        Place.QUALITY,
        Place.SPLIT,
        Place.PREPROCESS,
    ),
    "Training": (Place.TRAIN, Place.RUNS),
    "Results": (
        Place.EVALUATE,
        Place.OPERATING_POINT,
        Place.COMPARE,
    ),
    "Sign-off": (Place.TEST_PLANNER, Place.SIGN_OFF),
    "Use": (Place.PREDICT, Place.MODELS),
}
