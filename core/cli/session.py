"""What every command of the command line shares: options, the workspace, answers, errors."""

import getpass
import json
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from core.administration import administration, sign_in_of
from core.cli.output import errors, note, progress_bar
from core.domain.configs.administration import AuthMode
from core.domain.files import ChangedFiles
from core.domain.findings import Severity
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind
from core.domain.keeping.people import Actor, Standing, acting_as, who
from core.domain.models import Model
from core.domain.parts import Counting
from core.errors import FilesChangedError, TouchstoneError, WorkspaceError
from core.workspace import ROOT_VARIABLE, Workspace, open_workspace

if TYPE_CHECKING:
    from core.workflows.jobs import Waiting

Result = TypeVar("Result")

FAILED = 1
INTERRUPTED = 130
USER_VARIABLE = "TOUCHSTONE_USER"  # as whom commands act where people sign in
_LOG_BYTES = 2_000_000

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        envvar=ROOT_VARIABLE,
        show_default="~/.touchstone",
        help="Folder that holds the workspace.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DatasetArgument = Annotated[str, typer.Argument(help="Name or id of a dataset.")]
ModelArgument = Annotated[str, typer.Argument(help="Name or id of a model.")]
CountOption = Annotated[
    Counting,
    typer.Option(
        "--count",
        help="What counts as one decision: images; parts (also unconfirmed look-alikes); auto "
        "(declared or confirmed parts, other images by themselves).",
    ),
]
ConfidenceOption = Annotated[
    float, typer.Option(help="Confidence of bounds and guarantees; 0.95 is 95%.")
]
PurposeOption = Annotated[
    str, typer.Option(help="Why the test results are viewed; recorded with the first view.")
]
ChangedOption = Annotated[
    ChangedFiles | None,
    typer.Option(
        "--changed",
        help="What to do with images whose files changed since the import: take the new content "
        "as a new version of the dataset, or leave them out. Missing files are left out.",
        show_default="stop and name them",
    ),
]
FollowOption = Annotated[
    bool, typer.Option("--follow/--no-follow", help="Wait for its end, or only queue it.")
]
RunArgument = Annotated[str, typer.Argument(help="Name or id of a run.")]


def refuse_options_before_command(context: typer.Context) -> None:
    """Say where `--workspace` and `--json` of a group belong; before its command they do nothing.

    Raises:
        BadParameter: if one stands there.
    """
    for option, given in (("--workspace", "workspace"), ("--json", "as_json")):
        source = context.get_parameter_source(given)
        if source is not None and source.name == "COMMANDLINE":
            command = f"{context.info_name} {context.invoked_subcommand}"
            raise typer.BadParameter(f"Put {option} after `{command}`.")


@dataclass(frozen=True)
class Session:
    """What every command needs: the workspace, and how to answer."""

    workspace: Workspace
    as_json: bool

    def answer(self, result: dict[str, Any], show: Callable[[], None]) -> None:
        """Print the result as JSON, or show it to a person."""
        if self.as_json:
            # ASCII: pipes know nothing of encodings. No NaN: it is no JSON.
            print(json.dumps(result, allow_nan=False))
        else:
            show()


@contextmanager
def session(workspace: Path | None, as_json: bool) -> Iterator[Session]:
    """Open the workspace; errors become a message, a JSON object if asked, and an exit code."""
    place: Workspace | None = None
    try:
        place = open_workspace(workspace)
        os.environ[ROOT_VARIABLE] = str(place.root)  # helper processes know the limits by it
        for problem in administration(place.root).problems:
            note(problem.words)
        with acting_as(_actor(place)):
            yield Session(place, as_json)
    except TouchstoneError as err:
        if isinstance(err, WorkspaceError) and place is not None:
            _free_space(place)
        fail(err, as_json)
    except KeyboardInterrupt:
        _interrupted(as_json)
    except typer.Abort as err:
        if isinstance(err.__context__, KeyboardInterrupt):  # at a question
            _interrupted(as_json)
        raise
    except (typer.Exit, typer.BadParameter, BrokenPipeError):
        raise
    except Exception as err:
        fail_unexpectedly(err, as_json, place)


def _actor(workspace: Workspace) -> Actor:
    """Who acts: the account of the system, or a user of the workspace."""
    if sign_in_of(workspace.root).mode is AuthMode.OFF:
        return Actor(system_account(), Standing.PROGRAM)
    from core.workflows.keeping import people

    return people.of_command_line(workspace, system_account(), os.environ.get(USER_VARIABLE, ""))


def _free_space(workspace: Workspace) -> None:
    from core.workflows import jobs

    jobs.prepare(workspace)  # what a killed import left behind may be what fills the disk


def fail(err: TouchstoneError, as_json: bool) -> NoReturn:
    """Say what happened and what to do, and end with exit code 1."""
    more: dict[str, Any] = {}
    if isinstance(err, FilesChangedError):
        more = {"changed": list(err.changed), "missing": list(err.missing)}
    _end(err.message, err.hint, as_json, FAILED, more)


def fail_unexpectedly(
    err: Exception, as_json: bool, workspace: Workspace | None = None
) -> NoReturn:
    """Log an error of the program itself, say so in one line, and end with exit code 1."""
    incident = secrets.token_hex(4)
    # Why a new one: everybody may write to the folder of temporary files, and read there.
    folder = workspace.logs if workspace else Path(tempfile.mkdtemp(prefix="touchstone-"))
    try:
        hint = f"The details are in {_logged(err, folder, incident)}."
    except OSError as at_log:  # a full disk, for example
        hint = f"The log in {folder} cannot be written: {at_log.strerror}."
    words = " ".join(f"{type(err).__name__}: {err}".split())
    message = f"Something went wrong (incident {incident}): {words}"
    _end(message, hint, as_json, FAILED, {"incident": incident})


def _interrupted(as_json: bool) -> NoReturn:
    _end("Stopped by Ctrl+C.", "", as_json, INTERRUPTED)


def _end(
    message: str, hint: str, as_json: bool, code: int, more: dict[str, Any] | None = None
) -> NoReturn:
    if as_json:
        print(json.dumps({"error": message, "hint": hint, **(more or {})}, allow_nan=False))
    errors.print(f"Error: {message}", style="red", markup=False, highlight=False)
    if hint:
        errors.print(hint, markup=False, highlight=False)
    raise typer.Exit(code)


def _logged(err: Exception, folder: Path, incident: str) -> Path:
    """Append the traceback to the command line's log, a file of bounded size."""
    log = folder / "command-line.log"
    handler = RotatingFileHandler(log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.Logger("touchstone.cli")
    logger.addHandler(handler)
    logger.error("incident %s", incident, exc_info=err)
    handler.close()
    return log


def with_unchanged_files(
    opened: Session, dataset_id: str, answer: ChangedFiles | None, act: Callable[[], Result]
) -> Result:
    """Do something that needs the files as imported; changed ones are answered for first.

    Without an answer, a person at a terminal is asked when it turns out that one is needed.

    Raises:
        FilesChangedError: if files changed and nobody answered.
    """
    if answer is not None:
        answer_for_files(opened, dataset_id, answer)
    try:
        return act()
    except FilesChangedError as err:
        chosen = None if answer is not None or opened.as_json else _asked_for_answer(err)
        if chosen is None:
            raise
        answer_for_files(opened, dataset_id, chosen)
        return act()


def answer_for_files(opened: Session, dataset_id: str, answer: ChangedFiles) -> Job:
    """Compare the files of a dataset and act on those that changed; says what was done."""
    from core.workflows import files

    job = follow(opened, files.start_check(opened.workspace, dataset_id, answer))
    if "version" in job.result:
        note(
            f"Version {job.result['version']}: new content of {job.result['replaced']:,} images, "
            f"{job.result['left_out']:,} left out. Splits made before do not contain new content."
        )
    return job


def _asked_for_answer(err: FilesChangedError) -> ChangedFiles | None:
    """What a person at a terminal chooses; None: to stop, or nobody is there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    note(err.message)
    choices = [*(item.value for item in ChangedFiles), "stop"]
    typed: str = typer.prompt(f"Changed images: {', '.join(choices)}", "stop", err=True)
    return ChangedFiles(typed) if typed in list(ChangedFiles) else None


def note_serious_finding(opened: Session, dataset_id: str) -> None:
    """Name the worst open finding where results cannot be trusted with it, as pages do."""
    from core.workflows.data import quality

    finding = quality.worst_finding(opened.workspace, dataset_id)
    if finding is not None and finding.severity is Severity.SERIOUS:
        note(f"Serious open finding: {finding.message} See `touchstone quality`.")


def follow(opened: Session, job: Job) -> Job:
    """Show a job's progress until it ends; Ctrl+C asks it to stop and waits for that."""
    from core.workflows import job_words, jobs

    said: set[tuple[str, int]] = set()
    with progress_bar("Waiting", counted=False) as bar:

        def show(current: Job) -> None:
            waiting = jobs.waiting_for(opened.workspace, current)
            words = (
                _say_waiting(opened, current, waiting, said)
                if waiting
                else job_words.progress_in_words(current, now=utc_now())
            )
            bar.update(
                bar.task_ids[0], description=words, completed=round(100 * current.share), total=100
            )

        try:
            ended = jobs.wait(opened.workspace, job.id, on_change=show)
        except KeyboardInterrupt:
            # Why a pause: whoever presses Ctrl+C waits, and a model takes a while to be made.
            jobs.stop(opened.workspace, job.id, pause=job.kind is JobKind.TRAIN)
            errors.print("Stopping …")
            _wait_for_stop(opened, job, show)
            raise
    for warning in ended.warnings:
        note(f"Note: {warning}")
    return ended


def _say_waiting(opened: Session, job: Job, waiting: "Waiting", said: set[tuple[str, int]]) -> str:
    """What a job waits for; where nobody sees the bar, a line on standard error says it once."""
    from core.workflows import job_words

    words = job_words.waiting_in_words(waiting)
    running = waiting.running
    key = running.id if running else "", waiting.ahead
    if (running or waiting.ahead) and key not in said:
        said.add(key)
        if opened.as_json:
            print(
                json.dumps(
                    {
                        "waiting": {
                            "job_id": job.id,
                            "for_job_id": running and running.id,
                            "for_kind": running and running.kind.value,
                            "for_name": waiting.subject,
                            "phase": running.phase if running else "",
                            "ahead": waiting.ahead,
                        }
                    }
                ),
                file=sys.stderr,
            )
        elif not errors.is_terminal:
            note(f"{words} …")
    return words


def _wait_for_stop(opened: Session, job: Job, show: Callable[[Job], None]) -> None:
    from core.workflows import jobs

    try:
        jobs.wait(opened.workspace, job.id, on_change=show)
    except TouchstoneError:
        if job.kind is JobKind.TRAIN:
            errors.print("Paused; `touchstone runs resume` goes on exactly where it was.")
        if job.kind is JobKind.SEARCH:
            errors.print("Stopped; `touchstone searches resume` goes on, no trial is lost.")
        if job.kind is JobKind.PREDICT:
            errors.print("Stopped; the same command goes on with the images that are left.")


def person() -> str:
    """Who runs this command, for the record: the user, or the account of the system."""
    return who().name or system_account()


def system_account() -> str:
    """The account of the system that runs this command; '' where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry
        return ""


def open_test_results(workspace: Workspace, models: Sequence[Model], purpose: str) -> None:
    """Open the test results of models for this command; says where that was the first view.

    Raises:
        SealedError: if they are sealed.
    """
    from core.workflows.results.access import open_results

    for model in open_results(workspace, models, purpose, person=person()):
        note(
            f"The test results of '{model.name}' are now open; this is recorded, and a sealed test "
            "of this model is no longer possible."
        )
