"""Commands that keep a workspace: its record, its verification, backups."""

from pathlib import Path
from typing import Annotated

import typer

from core import administration
from core.api.keeping import (
    backup_as_json,
    entry_as_json,
    health_as_json,
    limit_rows,
    problem_as_json,
)
from core.cli.output import phases, say, table
from core.cli.session import FAILED, JsonOption, Session, WorkspaceOption, fail, person, session
from core.domain.keeping.people import Actor, Standing, acting_as
from core.domain.record import RecordedAction, in_utc
from core.errors import TouchstoneError
from core.words import NOTHING, count, joined, listed, size
from core.workflows.job_words import kind_in_words
from core.workflows.keeping import backup as backups
from core.workflows.keeping import health, health_words, space
from core.workflows.keeping import record as records
from core.workflows.keeping.record_words import in_words

app = typer.Typer()


@app.command()
def record(
    text: Annotated[
        str, typer.Option(help="Only rows with this in person, name, id, reason or values.")
    ] = "",
    action: Annotated[
        list[RecordedAction] | None, typer.Option(help="Only this action; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest rows to show.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Write the whole record as CSV.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what and when; nobody can change the record."""
    with session(workspace, as_json) as opened:
        rows, total = records.entries(
            opened.workspace, text=text, actions=action or (), limit=limit
        )
        written = records.export(opened.workspace, out) if out else 0
        names = records.names_in(opened.workspace, rows)

        def show() -> None:
            if out:
                say(f"{count(written, 'row')} written to {out}.")
                return
            table(
                ["number", "time (UTC)", "person", "action", "name", "details", "reason"],
                [
                    [
                        row.number,
                        in_utc(row.at),
                        row.person or NOTHING,
                        row.action,
                        row.name or row.subject or NOTHING,
                        in_words(row, names) or NOTHING,
                        row.reason or NOTHING,
                    ]
                    for row in rows
                ],
            )
            say(f"{len(rows):,} of {count(total, 'row')}, newest first.")

        opened.answer({"rows": [entry_as_json(row) for row in rows], "total": total}, show)


@app.command()
def verify(
    files: Annotated[
        bool, typer.Option("--files", help="Also read every image file. Takes minutes.")
    ] = False,
    anchor: Annotated[
        str | None,
        typer.Option(help="NUMBER:DIGEST that an earlier `verify` printed and you wrote down."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that nothing was altered outside of Touchstone: record, database, models, files.

    The exit code is 1 if something was. Write the anchor down outside of the workspace: only it
    shows later that the end of the record was cut off, or that all of it was written anew.
    """
    with session(workspace, as_json) as opened:
        known = records.read_anchor(anchor) if anchor else None
        with phases() as report:
            problems = records.verify(
                opened.workspace,
                written_down=known,
                image_files=files,
                on_progress=lambda done, total: report("Reading images", done, total),
            )
        newest = records.anchor(opened.workspace)

        def show() -> None:
            for problem in problems:
                say(f"{problem.fault.value}: {problem.where}")
            if not problems:
                say("Everything is as it was recorded.")
            if newest:
                say(f"Anchor: {newest.written}")

        result = {
            "intact": not problems,
            "problems": [problem_as_json(problem) for problem in problems],
            "anchor": newest and newest.written,
        }
        opened.answer(result, show)
        if problems:
            raise typer.Exit(FAILED)


@app.command()
def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave the integrity of record and models out.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check versions, disk, devices, weights, workers, backups and integrity.

    The exit code is 1 if something serious is wrong; what to do is said.
    """
    with session(workspace, as_json) as opened:
        alterations = None if quick else records.verify(opened.workspace)
        seen = health.examine(opened.workspace, space.disk_use(opened.workspace), alterations)
        result = health_as_json(seen)
        opened.answer(result, lambda: _show_health(seen))
        if not result["well"]:
            raise typer.Exit(FAILED)


def _show_health(seen: health.Health) -> None:
    titles = joined([device.title for device in seen.devices])
    say(f"Touchstone {seen.program or '(from a folder)'} · {count(seen.cores, 'core')} · {titles}")
    say(f"Weights here: {listed(seen.weights) or 'none'}")
    table(
        ["program", "installed", "at least"],
        [[item.name, item.installed or NOTHING, item.lowest] for item in seen.components],
    )
    say(
        f"Disk: {size(seen.disk.free_bytes)} of {size(seen.disk.total_bytes)} free; "
        f"{size(seen.kept_free_bytes)} are kept."
    )
    table(
        ["what", "on disk", "in caches"],
        [
            [health_words.use_in_words(use), size(use.size_bytes), size(use.cached_bytes or None)]
            for use in seen.disk.uses
        ],
    )
    for lane in seen.lanes:
        if lane.running or lane.waiting:
            work = kind_in_words(lane.running.kind) if lane.running else "nobody"
            say(f"Lane {lane.name}: {work} at work, {count(lane.waiting, 'job')} waiting.")
    made = seen.backup.made
    say(f"Last backup: {f'{in_utc(made.at)} UTC, {made.new}' if made else 'none'}")
    if seen.alterations == ():
        say("Database, record and models are as recorded.")
    for item in seen.findings:
        mark = "Problem" if item.trouble.is_serious else "Advice"
        say(f"{mark}: {health_words.what(item)} {health_words.advice(item)}")
    if not seen.findings:
        say("Everything is well.")


@app.command()
def caches(
    clear: Annotated[
        list[space.CacheKind] | None, typer.Option(help="Delete this cache; may be repeated.")
    ] = None,
    clear_all: Annotated[bool, typer.Option("--clear-all", help="Delete all caches.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what caches take, or clear them; what is needed again is made again.

    Refused while a job is at work or waits, since it may need them.
    """
    with session(workspace, as_json) as opened:
        chosen = list(space.CacheKind) if clear_all else clear or []
        freed = space.clear(opened.workspace, chosen) if chosen else 0
        uses = space.disk_use(opened.workspace).uses
        sizes = {use.name: use.size_bytes for use in uses if use.kind is space.SpaceKind.CACHE}
        rows = {kind.value: sizes.get(kind.value, 0) for kind in space.CacheKind}

        def show() -> None:
            if chosen:
                say(f"{size(freed)} freed.")
                return
            table(
                ["cache", "on disk", "what it is"],
                [
                    [kind.value, size(rows[kind.value]), health_words.cache_in_words(kind)]
                    for kind in space.CacheKind
                ],
            )

        opened.answer({"caches": rows, "freed_bytes": freed}, show)


@app.command()
def limits(
    example: Annotated[
        bool, typer.Option("--example", help="Print a touchstone.toml with every setting.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the limits in force. A file touchstone.toml in the workspace changes them."""
    if example:
        print(administration.example(), end="")
        return
    with session(workspace, as_json) as opened:
        root = opened.workspace.root
        found = administration.administration(root)
        rows = limit_rows(found.settings.limits)

        def show() -> None:
            table(
                ["setting", "in force", "default", "must be"],
                [[row["name"], row["value"], row["default"], row["expected"]] for row in rows],
            )
            say(f"Set in {root / administration.FILE}; `touchstone limits --example` shows how.")

        problems = [problem.words for problem in found.problems]
        opened.answer({"limits": rows, "problems": problems}, show)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Holds all backups; each gets its own folder.")],
    keep: Annotated[int, typer.Option(min=0, help="Backups to keep; 0 keeps all.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the workspace while it is in use; what has not changed takes no space again."""
    with session(workspace, as_json) as opened:
        with phases() as report:
            made = backups.back_up(
                opened.workspace,
                folder,
                keep=keep,
                on_file=lambda done, total: report("Copying files", done, total),
            )
        opened.answer(
            backup_as_json(made),
            lambda: say(f"{count(made.files, 'file')}, {size(made.size_bytes)}: {made.folder}"),
        )


@app.command(name="restore-backup")
def restore_backup(
    backup: Annotated[Path, typer.Argument(help="Folder of one backup.")],
    to: Annotated[Path, typer.Option(help="New or empty folder for the workspace.")],
    as_json: JsonOption = False,
) -> None:
    """Make a workspace of a backup, every file compared, and verify it."""
    owner = Actor(person(), Standing.PROGRAM)  # of the new workspace, and all that is in it
    try:
        with acting_as(owner), phases() as report:
            made = backups.restore(
                backup, to, on_file=lambda done, total: report("Restoring files", done, total)
            )
        with acting_as(owner):
            problems = records.verify(made)
    except TouchstoneError as err:
        fail(err, as_json)
    result = {
        "workspace": str(made.root),
        "problems": [problem_as_json(problem) for problem in problems],
    }

    def show() -> None:
        for problem in problems:
            say(f"{problem.fault.value}: {problem.where}")
        say(f"Restored to {made.root}; open it with --workspace {made.root}.")

    Session(made, as_json).answer(result, show)
