"""Who may import whom, and what must not appear anywhere."""

import ast
import functools
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
CORE = PROJECT / "core"
PAGES = PROJECT / "pages"

BASE = {"administration", "domain", "errors", "exposure", "files", "lean", "words", "workspace"}
# What each room may use besides itself and the base.
ALLOWED = {
    "administration": {"domain", "errors", "workspace"},
    "domain": {"errors"},
    "errors": set(),
    "exposure": {"errors"},
    "files": {"administration", "errors", "words", "workspace"},
    "lean": set(),
    "words": set(),
    "workspace": {"errors", "exposure"},
    "store": set(),
    "data": set(),
    "models": set(),
    "evaluation": set(),
    "reporting": set(),
    "inference": {"data", "models"},
    "training": {"data", "models", "evaluation", "inference"},
    "worker": {"store", "data", "models", "evaluation", "inference", "training", "reporting"},
    "workflows": {"store", "data", "models", "evaluation", "inference", "worker", "reporting"},
    "api": {"workflows", "data", "models", "evaluation"},
    "serving": {"api", "data", "evaluation", "inference"},
    "cli": {"workflows", "api", "serving", "models", "evaluation"},
}
# Inside of evaluation: what each part may use besides itself and the base.
EVALUATION = {
    "measures": set(),
    "decisions": {"measures"},
    "report": {"measures", "decisions"},
    "release": {"measures", "decisions", "report"},
}
# Rooms that web pages use: importing them must not cost seconds and hundreds of megabytes.
HEAVY = ("torch", "torchvision", "timm", "captum", "openvino", "onnxruntime")
LIGHT_ROOMS = ("store", "evaluation", "reporting", "workflows", "data", "api")


def _files(folder):
    return sorted(path for path in folder.rglob("*.py"))


def _room(path):
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path):
    names = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _used_rooms(path):
    return {name.split(".")[1] for name in _imports(path) if name.startswith("core.")}


def _used_roots(path):
    return {name.split(".")[0] for name in _imports(path)}


CORE_FILES = [path for path in _files(CORE) if path.name != "__init__.py"]


def test_rooms_import_only_in_the_direction_of_the_design():
    assert len(CORE_FILES) > 100
    for path in CORE_FILES:
        room = _room(path)
        allowed = ALLOWED[room] | {room} | (BASE if room not in BASE else set())
        assert _used_rooms(path) <= allowed, path


@pytest.mark.parametrize("part", EVALUATION)
def test_measures_know_no_decisions_and_decisions_no_release(part):
    # The folders imported each other, so that no measure could be read without the decisions.
    folder = CORE / "evaluation" / part
    used = {
        name.split(".")[2]
        for path in ([folder.with_suffix(".py")] if not folder.is_dir() else _files(folder))
        for name in _imports(path)
        if name.startswith("core.evaluation.")
    }
    assert used <= EVALUATION[part] | {part}


def test_core_knows_no_streamlit_and_no_pages():
    for path in _files(CORE):
        assert not _used_roots(path) & {"streamlit", "pages", "app"}, path


def test_pages_use_no_database_and_no_worker_directly():
    for path in _files(PAGES):
        assert not _used_rooms(path) & {"store", "training"}, path
        assert not _used_roots(path) & set(HEAVY), path


def test_an_init_file_holds_a_docstring_and_nothing_else():
    for path in CORE.rglob("__init__.py"):
        tree = _tree(path)
        assert len(tree.body) <= 1
        assert ast.get_docstring(tree) or not tree.body


def _heavy_after_importing(*modules):
    code = "\n".join(
        [
            "import importlib, sys",
            f"for name in {list(modules)!r}: importlib.import_module(name)",
            f"print([name for name in {HEAVY!r} if name in sys.modules])",
        ]
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PROJECT,
        check=True,
    )
    return answer.stdout.strip().splitlines()[-1]


def _modules(*folders):
    return [
        ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for folder in folders
        for path in _files(folder)
        if path.name != "__init__.py"
    ]


def test_light_rooms_and_the_command_line_leave_torch_out():
    modules = _modules(*(CORE / room for room in LIGHT_ROOMS))
    light = (
        "core.models.catalog",
        "core.models.devices",
        "core.inference.service",
        "core.worker.launcher",
        "core.worker.__main__",
        "core.cli.app",
    )
    assert _heavy_after_importing(*modules, *light) == "[]"


def test_helpers_of_the_pages_leave_torch_out():
    modules = _modules(PAGES / "ui")
    if not modules:
        pytest.skip("there are no pages yet")
    assert _heavy_after_importing(*modules) == "[]"


SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|"
    r"(CREATE|DROP|ALTER)\s+(TABLE|INDEX)|PRAGMA\s|VACUUM|BEGIN\s+IMMEDIATE)",
    re.DOTALL,
)


def _strings(path):
    """Text literals, docstrings and comments left out."""
    tree = _tree(path)
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documents
        ):
            yield node.value


OWN_FILES = [*_files(CORE), *_files(PAGES), PROJECT / "app.py"]
OWN_FILES = [path for path in OWN_FILES if path.exists()]


def test_sql_is_spoken_in_the_store_only():
    for path in OWN_FILES:
        if CORE / "store" not in path.parents:
            assert not [text for text in _strings(path) if SQL.search(text)], path


BANNED = {
    "pickle": r"\b(import|from)\s+(pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b",
    "a shell": r"shell\s*=\s*True|\bos\.(system|popen)\(",
    "eval": r"(?<![\w.])(eval|exec)\(",
    "extractall": r"\.extractall\(",
    "torch.load that may run code": r"torch\.load\((?!.*weights_only=True)",
    "raw HTML": r"unsafe_allow_html",
}


@functools.cache
def _code(path):
    """The source with comments and texts blanked out, so that words in them do not count."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            (first, start), (last, end) = token.start, token.end
            for row in range(first, last + 1):
                line = lines[row - 1]
                left = start if row == first else 0
                right = end if row == last else len(line.rstrip("\n"))
                lines[row - 1] = line[:left] + " " * (right - left) + line[right:]
    return "".join(lines)


@pytest.mark.parametrize("what", BANNED)
def test_what_is_dangerous_appears_nowhere(what):
    found = [
        f"{path.relative_to(PROJECT)}: {match.group()}"
        for path in OWN_FILES
        for match in re.finditer(BANNED[what], _code(path))
    ]
    assert not found


# Calls that open a file, and where they may stand: what is opened there is ours.
OPENERS = {
    "open",
    "read_bytes",
    "read_text",
    "safe_open",
    "ZipFile",
    "copyfile",
    "copytree",
}
OPENS_OWN_FILES = {
    "core/administration.py": "reads what its administrator wrote into the workspace",
    "core/files.py": "the one place that opens files of people, and writes ours",
    "core/cli/signoff.py": "copies a report of ours to where it was asked for",
    "core/data/demo_set.py": "reads demo images that it has just drawn",
    "core/data/exports.py": "writes the export",
    "core/data/importing/archives.py": "reads entries of an open archive, writes them",
    "core/data/importing/tables/files.py": "reads a workbook from memory",
    "core/data/pixels/images.py": "decodes an open file",
    "core/data/pixels/kept.py": "thumbnails and heatmaps of ours",
    "core/inference/explaining/changes.py": "decodes a JPEG of ours from memory",
    "core/inference/runtime.py": "networks that it has converted",
    "core/models/backbone.py": "networks that it has kept",
    "core/models/brought.py": "reads weights once the file was opened there",
    "core/models/kept_epochs.py": "checkpoints",
    "core/models/speed.py": "speeds that it has measured",
    "core/models/bundle.py": "reads weights once the file was opened there",
    "core/models/weights.py": "reads weights of an installed package",
    "core/store/models.py": "writes a model of ours as a file",
    "core/training/checkpoints.py": "checkpoints",
    "core/training/loop/setup.py": "asks the system for its free memory",
    "core/worker/import_job.py": "copies an upload inside of the workspace",
    "core/worker/launcher.py": "logs",
    "core/worker/report_job.py": "a draft of ours",
    "core/worker/training/precision.py": "what it has measured",
    "core/worker/training/rank.py": "a description of ours",
    "core/worker/training/start.py": "copies a model of ours",
    "core/workspace.py": "writes the reserve",
    "core/worker/backup.py": "digests of what it has just copied",
    "core/workflows/keeping/backup.py": "writes what it restores",
    "core/workflows/data/exports.py": "writes the export",
    "core/workflows/keeping/sign_in.py": "reads what its administrator wrote into the workspace",
    "core/workflows/results/focus.py": "thumbnails of ours",
    "core/workflows/use/exporting.py": "copies a model of ours, reads what it has just written",
    "core/workflows/use/models.py": "puts a rule into a model of ours",
    "core/workflows/use/prediction.py": "copies a table of ours",
    "pages/signoff/record.py": "a table of ours",
    "core/serving/shadow.py": "a table of ours",
    "core/workflows/use/watching.py": "a table of ours",
    "pages/training/preview.py": "decodes a PNG of ours from memory",
    "pages/ui/components.py": "assets",
    "pages/ui/first_paint.py": "assets",
    "pages/ui/people/guard.py": "assets",
    "pages/ui/routes.py": "writes an upload",
    "pages/ui/viewer/about.py": "decodes a PNG of ours from memory",
    "pages/ui/viewer/dialog.py": "assets",
    "pages/use/predict_folder.py": "a table of ours",
}


def _opened_in(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if name in OPENERS and owner not in {"image", "plain", "np", "Predictor"}:
                yield name


def test_files_of_people_are_opened_in_one_place():
    # An image replaced by a pipe stopped the whole app, one replaced by a link showed its target.
    opening = {
        str(path.relative_to(PROJECT)): sorted(set(_opened_in(path)))
        for path in OWN_FILES
        if any(_opened_in(path))
    }
    assert not {name: what for name, what in opening.items() if name not in OPENS_OWN_FILES}
    assert not OPENS_OWN_FILES.keys() - opening.keys()  # an exception that nobody needs any more


PYTHON_FILES = [
    path
    for folder in ("core", "pages", "tests", "benchmarks", "docs")
    for path in _files(PROJECT / folder)
]


def test_the_formatter_formats_everything():
    marker = "fmt: " + "skip"
    assert not [path for path in PYTHON_FILES if marker in path.read_text(encoding="utf-8")]


def test_a_public_type_has_one_home():
    # Two types of one name were read as one: `Decision` of an import and of a part, for example.
    homes: dict[str, list[str]] = {}
    for path in OWN_FILES:
        for node in _tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(PROJECT)))
    assert not {name: files for name, files in homes.items() if len(files) > 1}


def test_reasons_stand_behind_one_kind_of_button():
    # "Why?" was a button with an icon, one without, and a link, by page.
    asked = re.compile(r"""\.(popover|expander)\(\s*f?["'](Why|[^"']*["'][^)]*:material/help:)""")
    others = {
        str(path.relative_to(PROJECT)): match.group()
        for path in _files(PAGES)
        if path != PAGES / "ui" / "widgets.py"
        for match in asked.finditer(path.read_text(encoding="utf-8"))
    }
    assert not others


# Folders that may be larger than the rule says, each with its reason.
LARGE_FOLDERS = {
    "pages/ui": "what several pages share; whatever one word of the menu needs alone is there"
}


def test_a_folder_holds_about_a_dozen_files():
    folders = {path.parent for path in OWN_FILES}
    large = {
        str(folder.relative_to(PROJECT)): count
        for folder in folders
        if (count := sum(p.name != "__init__.py" for p in folder.glob("*.py"))) > 15
    }
    assert large.keys() <= LARGE_FOLDERS.keys(), large


def test_a_file_holds_about_400_lines():
    large = {
        str(path.relative_to(PROJECT)): lines
        for path in OWN_FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 410
    }
    assert not large
