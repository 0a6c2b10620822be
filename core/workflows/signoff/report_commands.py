"""The commands that make a model and its report again, from what is stored of how they were made.

In an empty workspace the lines run as they stand, in this order. A line that begins with `#` is a
remark: it says what has no command, or is not stored.
"""

import hashlib
import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace

from core.data.importing.rules import ImportRules, TableKind, TableRules, rules_from_dict
from core.data.split_request import request_of
from core.domain.configs.acting import acting_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import ORIENTATION_SETTINGS
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import Config
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Dataset, DatasetVersion, EditAction, LabelSource, Verdict
from core.domain.jobs import Job, JobKind
from core.domain.parts import ANY_IMAGE
from core.domain.settings import Value, settings_of
from core.domain.splits import Split
from core.domain.training import TrainingRun
from core.errors import ConfigError
from core.evaluation.decisions.costs import Scenario
from core.evaluation.decisions.rule import DecisionRule, as_limit
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.release.criteria import ReleaseCriteria
from core.models.catalog import DEFAULT_NETWORK, NETWORKS
from core.reporting.text import count
from core.store import jobs, runs, splits, versions
from core.store.database import connect
from core.words import exact_percent
from core.workflows.data.demo import DEMO_NAME, DEMO_SOURCE
from core.workflows.signoff import sealing
from core.workflows.signoff.report_material import ReportMaterial, training_run
from core.workspace import Workspace

Option = str | int | float | Sequence[str] | None
_TABLE_NAMES = {
    TableKind.TEXT: "labels.csv",
    TableKind.EXCEL: "labels.xlsx",
    TableKind.JSON: "labels.json",
}
_IMPLIED = (LabelSource.LAST_FOLDER, LabelSource.ONE_CLASS)  # by what else is given, or is not
_EDITS_SHOWN = 20
_SOLVED_TODAY = (
    "An earlier version trained the last layer in epochs; today it is solved exactly, so the "
    "results will differ."
)


def commands(workspace: Workspace, material: ReportMaterial) -> list[str]:
    """Every step from the images to the report, in the order in which they must run."""
    dataset, split = material.judged.dataset, material.sign_off.split
    with connect(workspace) as db:
        job = jobs.latest_jobs(db, JobKind.IMPORT).get(dataset.id)
        history = versions.list_versions(db, dataset.id)
        sealed = splits.sealed_split(db, dataset.id, split.version)
    is_demo = dataset.source == DEMO_SOURCE
    name = DEMO_NAME if is_demo else dataset.name
    run = training_run(workspace, material)
    with connect(workspace) as db:
        has_epochs = run is not None and bool(runs.epochs_of(db, run.id))
    model = run.name if run else material.model.name
    return [
        *(["touchstone demo"] if is_demo else _import(dataset, job)),
        *_edits(history),
        *_verdicts(dataset, name),
        *_criteria(material, name),
        *_splits(material, sealed, name),
        *_training(run, split, name, has_epochs=has_epochs),
        *_rule(material.rule, model),
        *_opening(material, model),
        *_report(material, model, has_use=bool(sealing.intended_use(workspace, material.model.id))),
    ]


def _command(verb: str, subject: str, /, **options: Option) -> str:
    """A line for a shell; None and False say nothing, True is a switch, a list repeats an option.

    Numbers keep every digit, so that they are read back as they were.
    """
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            each = [value] if isinstance(value, str | int | float) else value
            words += [word for item in each for word in _given(option, item)]
    first = ["touchstone", verb]
    is_odd = subject.startswith("-")
    return shlex.join([*first, *words, "--", subject] if is_odd else [*first, subject, *words])


def _given(option: str, value: str | int | float) -> list[str]:
    text = repr(value) if isinstance(value, float) else str(value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]


def _remark(text: str) -> str:
    # Why one line: what follows a line break would be run.
    return f"# {' '.join(text.split())}"


def _import(dataset: Dataset, job: Job | None) -> list[str]:
    asked = job.payload if job else {}
    lines, source = [], dataset.source
    if asked.get("consume"):
        is_archive = source.lower().endswith(".zip")
        source = source if is_archive else "pictures"
        lines.append(
            _remark(
                f"The images came through the browser ({dataset.source}); the next line needs "
                f"them as the {'file' if is_archive else 'folder'} {source} again."
            )
        )
    rules = _rules(asked)
    if rules is None:
        words = "How the classes were read is not stored; the next line takes them from folders."
        return [*lines, _remark(words), _command("import", source, name=dataset.name)]
    lines += _table_remarks(rules)
    options = _label_options(rules) | _table_options(rules.table if _reads_table(rules) else None)
    # Why not the verdicts of the import: where one was taken away since, it must not come back.
    has_all = all(dataset.verdicts)
    ok = rules.ok_classes if has_all else ()
    line = _command(
        "import",
        source,
        name=dataset.name,
        **options,
        ignore_split=not rules.keep_split,
        companions=rules.keep_companions,
        leave_out=rules.leave_out,
        combined=rules.combined.value if rules.combined else None,
        zip_encoding=rules.zip_encoding or None,
        ok=ok,
        no_ok=ok == (),
    )
    return [*lines, line]


def _rules(asked: dict[str, object]) -> ImportRules | None:
    stored = asked.get("rules")
    try:
        return rules_from_dict(stored) if isinstance(stored, dict) else None
    except ConfigError:
        return None


def _reads_table(rules: ImportRules) -> bool:
    return rules.labels is LabelSource.TABLE and rules.table is not None


def _label_options(rules: ImportRules) -> dict[str, Option]:
    labels = rules.labels
    return {
        "labels": None if labels in _IMPLIED else labels.value,
        "one_class": rules.class_name if labels is LabelSource.ONE_CLASS else None,
        "pattern": rules.pattern if labels is LabelSource.PATTERN else None,
        "level": rules.level if labels is LabelSource.FOLDER_LEVEL else None,
    }


def _table_options(table: TableRules | None) -> dict[str, Option]:
    if table is None:
        return {}
    return {
        "table": _TABLE_NAMES[table.kind],
        "delimiter": table.delimiter.value if table.delimiter else None,
        "encoding": table.encoding if table.encoding not in ("", "utf-8") else None,
        "sheet": table.sheet or None,
        "decimal": table.decimal.value if table.decimal else None,
        "header": table.header is True,
        "no_header": table.header is False,
        "path_column": table.path_column,
        "label_column": table.label_column,
        "group_column": table.group_column,
        "split_column": table.split_column,
        "map": ",".join(f'"{label}"="{name}"' for label, name in table.class_map) or None,
        "bins": ",".join(repr(edge) for edge in table.bins) or None,
        "bin_names": ",".join(f'"{name}"' for name in table.bin_names) or None,
    }


def _table_remarks(rules: ImportRules) -> list[str]:
    table = rules.table
    if table is None or not _reads_table(rules):
        return []
    digest = hashlib.sha256(table.text.encode()).hexdigest()
    says = [
        f"{_TABLE_NAMES[table.kind]} stands for the label table of the import "
        f"({len(table.text):,} characters, sha256 {digest}); its file name is not stored."
    ]
    names = [*(part for pair in table.class_map for part in pair), *table.bin_names]
    if any('"' in name for name in names) or any("=" in label for label, _ in table.class_map):
        says.append("Names with a quotation mark or = in them cannot be given as options.")
    return [_remark(text) for text in says]


def _edits(history: Sequence[DatasetVersion]) -> list[str]:
    """What was edited since the import; verdicts have a command of their own."""
    edits = [v for v in reversed(history) if v.number > 1 and v.action is not EditAction.VERDICTS]
    if not edits:
        return []
    were = "edit was" if len(edits) == 1 else "edits were"
    lines = [
        f"{len(edits):,} {were} made after the import, which these lines do not repeat; without "
        "them the split and the numbers come out otherwise:",
        *(f"version {v.number}: {v.summary}" for v in edits[:_EDITS_SHOWN]),
    ]
    if len(edits) > _EDITS_SHOWN:
        lines.append(f"and {len(edits) - _EDITS_SHOWN:,} more")
    return [_remark(text) for text in lines]


def _verdicts(dataset: Dataset, name: str) -> list[str]:
    named = list(zip(dataset.class_names, dataset.verdicts, strict=True))
    if not any(dataset.verdicts):
        return []
    ok, nok = ([n for n, v in named if v is wanted] for wanted in (Verdict.OK, Verdict.NOK))
    return [_command("classes", name, ok=ok, nok=nok)]


def _criteria(material: ReportMaterial, name: str) -> list[str]:
    if material.gate is None:
        return []
    asked, golden = material.gate.kept.criteria, len(material.gate.gate.golden)
    lines = []
    if golden:
        lines.append(_remark(f"{count(golden, 'golden sample')} must be marked in the app again."))
    if asked == ReleaseCriteria():
        return [*lines, _remark("Release criteria of golden samples alone are set in the app.")]
    line = _command(
        "criteria",
        name,
        max_escape=asked.max_escape,
        max_overkill=asked.max_overkill,
        min_macro_f1=asked.min_macro_f1,
        min_recall=asked.min_recall,
        no_new_escapes=asked.no_new_escapes,
        no_golden=not asked.golden_must_pass,
        confidence=_unusual(asked.confidence, CONFIDENCE),
        min_automatic=asked.min_automatic,
        max_reviews=asked.max_reviews,
        volume=asked.parts_per_shift,
        defect_rate=asked.defect_rate,
    )
    return [*lines, line]


def _unusual(value: float, usual: float) -> float | None:
    return None if value == usual else value


def _splits(material: ReportMaterial, sealed: Split | None, name: str) -> list[str]:
    """The split of the model, after the one whose sealed test set it keeps, if it does."""
    split, is_sealed = material.sign_off.split, material.sign_off.seal is not None
    made = [split]
    if is_sealed and sealed and sealed.id != split.id and sealed.created_at < split.created_at:
        made = [sealed, split]
    looked = any(s.certificate and s.certificate.near_across is not None for s in made)
    return [
        *([_command("quality", name)] if looked else []),
        *(line for item in made for line in _split(item, name, seal=is_sealed)),
    ]


def _split(split: Split, name: str, *, seal: bool) -> list[str]:
    request = request_of(split)
    if request is None:
        return [_remark(f"The split '{split.name}' came with the images; the import keeps it.")]
    train, validation, test = request.fractions
    sizes: dict[str, Option] = {"train": train, "validation": validation, "test": test}
    if request.folds:
        sizes = {"kfold": request.folds, "test": test}
    elif request.counts:
        counts = ",".join(map(str, request.counts))
        sizes = {"counts": counts, "per_class": request.per_class}
    order = request.order_by.value if request.order_by else None
    line = _command(
        "split",
        name,
        name=split.name,
        **sizes,
        seed=request.seed,
        order_by=order,
        group_by=request.group_by.option if request.group_by else None,
        seal=seal,
    )
    return [line]


def _training(run: TrainingRun | None, split: Split, name: str, *, has_epochs: bool) -> list[str]:
    if run is None:
        return [_remark("How the model was trained is not stored any more: its run was deleted.")]
    in_steps = has_epochs and run.train.recipe is Recipe.QUICK  # of an earlier version
    train = replace(run.train, refit=False) if in_steps else run.train
    sizes = {network.name: network.image_size_px for network in NETWORKS}
    # Why: of a network that was brought, the size is said; its file may not be here any more.
    pixels = PreprocessConfig(image_size_px=sizes.get(train.network, 224))
    sized = () if train.network in sizes else ("image_size_px",)
    acting = acting_settings(train, run.augment)
    if run.fold is not None:
        acting -= {"refit"}
    line = _command(
        "train",
        name,
        split=split.name,
        fold=None if run.fold is None else run.fold + 1,
        name=run.given_name or run.name,  # the command adds the number of the fold
        recipe=train.recipe.value,
        **_changed(train, recipe_defaults(train.recipe, DEFAULT_NETWORK), acting),
        **_changed(run.augment, AugmentConfig(), acting, always=ORIENTATION_SETTINGS),
        **_changed(run.preprocess, pixels, acting, always=sized),
    )
    if train.recipe is Recipe.QUICK and has_epochs:
        return [_remark(_SOLVED_TODAY), line]
    return [line]


def _changed(
    config: Config, usual: Config, acting: frozenset[str], *, always: Collection[str] = ()
) -> dict[str, Option]:
    """Options for the settings that acted and are not the usual ones, or that `always` names."""
    options: dict[str, Option] = {}
    for setting in settings_of(config):
        value: Value = getattr(config, setting.name)
        differs = value != getattr(usual, setting.name) or setting.name in always
        if setting.name in acting and differs:
            name = setting.option.removeprefix("--")
            options[f"no-{name}" if value is False else name] = value is False or value
    return options


def _rule(rule: DecisionRule | None, model: str) -> list[str]:
    if rule is None:
        return []
    point = rule.point
    if point.class_thresholds:
        needed = ", ".join(
            f"{name} {as_limit(value)}"
            for name, value in zip(rule.class_names, point.class_thresholds, strict=True)
        )
        return [_no_option(rule, f"for what a predicted class needs at least ({needed})")]
    if point.accept_below != point.reject_from:
        limits = f"{point.accept_below!r} and {point.reject_from!r}"
        return [_no_option(rule, f"for two limits ({limits})")]
    if point.accept_below is None:
        return [_no_option(rule, "to save that the verdict of the predicted class decides")]
    line = _command(
        "threshold",
        model,
        at=point.accept_below,
        parts=None if point.parts == ANY_IMAGE else point.parts.text,
        **_line_options(rule.scenario),
        confidence=_unusual(rule.confidence, CONFIDENCE),
        save=True,
    )
    return [*_person_remarks(rule.scenario), line]


def _no_option(rule: DecisionRule, what: str) -> str:
    return _remark(
        f"The decision rule must be set in the app, for there is no option {what}. {rule.in_words}"
    )


def _line_options(line: Scenario | None) -> dict[str, Option]:
    if line is None:
        return {}
    costs = line.costs
    money = ",".join(repr(cost) for cost in (costs.escape, costs.false_reject, costs.look))
    return {"cost": money, "defect_rate": line.defect_rate, "volume": line.parts_per_shift}


def _person_remarks(line: Scenario | None) -> list[str]:
    if line is None or not (line.person_escape or line.person_overkill):
        return []
    return [
        _remark(
            f"No option says that people pass {exact_percent(line.person_escape)} of the defective "
            f"parts they look at and reject {exact_percent(line.person_overkill)} of the good ones."
        )
    ]


def _opening(material: ReportMaterial, model: str) -> list[str]:
    if material.sign_off.seal is None:
        return []
    purpose = material.sign_off.own_openings[0].purpose
    return [_command("seal", model), _command("open-test", model, purpose=purpose)]


def _report(material: ReportMaterial, model: str, *, has_use: bool) -> list[str]:
    lines = [_remark("The intended use is written down in the app.")] if has_use else []
    other = material.other.first.model.name if material.other else None
    if other is not None:
        lines.append(
            _remark(f"The model '{other}' must be there; its own report says how it was made.")
        )
    line = _command("report", model, out="report.html", csv="report.csv", against=other)
    return [*lines, line]
