"""What a role may not do is disabled and says why, wherever a page offers it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.administration import FILE
from core.domain.keeping.people import NOBODY, PROGRAM, Actor, Role, Standing, acting_as
from core.domain.record import RecordedAction
from core.workflows.keeping import people, record
from core.workflows.results import access
from pages.ui.people import session
from pages.ui.places import Place
from tests.made import add_model, make_dataset

PAGES = Path(__file__).parents[2] / "pages"
BUTTONS = {"button", "form_submit_button"}
CALLBACKS = ("on_click", "on_change", "args")
# Of the workflows that buttons call: what only reads, or is open to everybody who is signed in.
OPEN_TO_ALL = {
    "access.required_purpose",
    "exporting.check_in_words",
    "exporting.export_archive",
    "jobs.latest",
    "models.remove_file",
    "networks.measure",
    "people.end_sessions",
    "prediction.batch_rows",
    "record.verify",
    "safer_threshold.safer",
    "sealing.file_changes",
    "thresholds.choose",
}
# Shown to administrators only.
FOR_ADMINISTRATORS = "use/health_people.py"


@dataclass
class Module:
    """The functions of a page module, and what its names stand for."""

    path: Path
    tree: ast.Module
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)


def _modules() -> dict[str, Module]:
    modules = {}
    for path in sorted(PAGES.rglob("*.py")):
        module = Module(path, ast.parse(path.read_text(encoding="utf-8")))
        for node in ast.walk(module.tree):
            module.parents.update(dict.fromkeys(ast.iter_child_nodes(node), node))
            if isinstance(node, ast.FunctionDef):
                module.functions[node.name] = node
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    module.names[name.asname or name.name] = f"{node.module}.{name.name}"
        modules[".".join(path.relative_to(PAGES.parent).with_suffix("").parts)] = module
    return modules


MODULES = _modules()


def _calls(module: Module, nodes: list[ast.AST], seen: set[tuple[str, str]]) -> Iterator[str]:
    """The workflows that some statements lead to, through the functions of all pages."""
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Name):
            full = module.names.get(node.id, f"{module.path}.{node.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            full = f"{module.names.get(node.value.id, '')}.{node.attr}"
        else:
            continue
        place, _, name = full.rpartition(".")
        own = module if place == str(module.path) else MODULES.get(place)
        if place.startswith("core.workflows.") and name.islower():
            if isinstance(module.parents.get(node), ast.Call):
                yield ".".join(full.split(".")[-2:])
        elif own is not None and name in own.functions and (place, name) not in seen:
            seen.add((place, name))
            yield from _calls(own, list(own.functions[name].body), seen)


def _pressed(module: Module, button: ast.Call) -> list[ast.AST]:
    """What is done once a button was pressed."""
    done: list[ast.AST] = [k.value for k in button.keywords if k.arg in CALLBACKS]
    if getattr(button.func, "attr", "") not in BUTTONS:
        return done
    statement: ast.AST = button
    while not isinstance(statement, ast.stmt):
        statement = module.parents[statement]
    if isinstance(statement, ast.If) and not isinstance(statement.test, ast.UnaryOp):
        return [*done, *statement.body]
    while isinstance(statement, ast.Assign | ast.If | ast.With):  # `pressed = …`, `if not …`
        block = module.parents[statement]
        rows = getattr(block, "body", [])
        done += rows[rows.index(statement) + 1 :] if statement in rows else []
        if not isinstance(block, ast.With):
            break
        statement = block
    return done


def _is_guarded(button: ast.Call) -> bool:
    ways = ("rights.only(", "rights.to_stop(")
    return any(k.arg is None and ast.unparse(k.value).startswith(ways) for k in button.keywords)


def _is_in_a_dialog(module: Module, node: ast.AST) -> bool:
    """Whether a button is in a dialog, whose opener is a button too."""
    while node in module.parents:
        node = module.parents[node]
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(d).startswith("st.dialog") for d in node.decorator_list
        ):
            return True
    return False


def test_every_control_that_writes_asks_for_the_right_to():
    # On four pages of twenty they did; elsewhere a press ended in a refusal.
    free = []
    for module in MODULES.values():
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if _is_guarded(node) or _is_in_a_dialog(module, node):
                continue
            leads = set(_calls(module, _pressed(module, node), set())) - OPEN_TO_ALL
            where = module.path.relative_to(PAGES).as_posix()
            if leads and where != FOR_ADMINISTRATORS:
                free.append(f"{where}:{node.lineno} leads to {', '.join(sorted(leads))}")
    assert not free, "\n".join(free)


def test_a_viewer_opens_every_page_is_refused_nothing_and_reads_why_buttons_are_disabled(
    workspace, monkeypatch, open_page
):
    # The first page after a split was made counted its leaks, and refused itself to viewers.
    made = make_dataset(workspace, per_subset=8, groups=True)
    for name in ("first", "second"):
        access.open_results(workspace, [add_model(made, name)], "audit")
    people.add_user(workspace, "Kim", Role.VIEWER)
    (workspace.root / FILE).write_text('[auth]\nmode = "proxy"\n')
    monkeypatch.setattr("core.domain.keeping.people._usual", lambda: NOBODY)  # pages set it
    monkeypatch.setattr(session, "actor", lambda: Actor("Kim", Standing.ACCOUNT, 1e12))
    locked = {}
    for place in Place:
        page = open_page(place.value, workspace)
        assert not page.exception, place
        assert not [error.value for error in page.error if "may not" in error.value], place
        locked |= {button.key: button.help for button in page.button if button.disabled}
    with acting_as(PROGRAM):
        refused, _ = record.entries(workspace, actions=[RecordedAction.REFUSED])
    assert [(row.subject, row.name) for row in refused] == []
    for key in ("delete_model-first", "save_rule", "do_check", "do_delete", "save"):
        assert "Kim (viewer) and may not" in locked[key], key
