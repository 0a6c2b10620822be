"""The command line: the same actions as the app, for scripts.

Every command takes `--workspace DIR` and `--json`. With `--json`, standard output carries exactly
one JSON object; progress and messages go to standard error.

Exit codes: 0 done; 1 not done, or every input failed; 2 wrong call; 130 stopped by Ctrl+C.

Every option can also be set by an environment variable, `TOUCHSTONE_<COMMAND>_<OPTION>`, for
example `TOUCHSTONE_UI_PORT=8600`; what is typed wins.
"""

import importlib
import sys
from typing import Annotated, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_group

from core.cli.output import print_anywhere
from core.cli.session import INTERRUPTED, fail_unexpectedly
from core.lean import import_sqlite_alone

DISTRIBUTION = "touchstone-vision"


class Entry(NamedTuple):
    """A command in the table of contents; its module is loaded when it is called."""

    name: str
    module: str
    summary: str


# Why a table: to list the commands must not cost the seconds that importing all of them costs.
CONTENTS = {
    "Data": (
        Entry("demo", "data", "Make the demo dataset of drawn pills."),
        Entry("import", "data", "Import labeled images, or add them to a dataset."),
        Entry("datasets", "data", "List the datasets."),
        Entry("quality", "checks.quality", "Find duplicates, likely mislabeled images and leaks."),
        Entry("split", "data", "Split a dataset into subsets or folds."),
        Entry("classes", "edits", "List, add, rename, merge and mark classes."),
        Entry("relabel", "edits", "Give images another class."),
        Entry("exclude", "edits", "Leave images out; they can be restored."),
        Entry("parts", "edits", "List look-alikes, or say whether they show one part."),
        Entry("restore", "edits", "Bring excluded images back."),
        Entry("undo", "edits", "Undo the last edit."),
        Entry("versions", "edits", "List or compare versions, or go back to one."),
        Entry("export", "edits", "Write a dataset as folders, ZIP or table."),
        Entry("files", "edits", "Find files that changed since the import."),
        Entry("relocate", "edits", "Say where the folder of a dataset is now."),
    ),
    "Training": (
        Entry("networks", "training.networks", "List the networks, or add one of your own."),
        Entry("orientation", "training.networks", "Say whether flipped parts are the same part."),
        Entry("train", "training.start", "Train a model, or one for each fold."),
        Entry("runs", "training.runs", "List, show, pause, order, continue and clone runs."),
        Entry("refit", "training.runs", "Refit a model with the images and classes of today."),
        Entry("search", "training.search", "Search the best settings within a budget."),
        Entry("searches", "training.search", "List the searches, or show one with its trials."),
        Entry("learning-rate", "training.search", "Suggest a learning rate."),
        Entry("stop", "training.start", "Stop a run; it can be resumed."),
        Entry("resume", "training.start", "Resume a run from its last checkpoint."),
    ),
    "Results": (
        Entry("evaluate", "evaluate", "Show the measures of a model with their bounds."),
        Entry("threshold", "results", "Choose, show or save the reject threshold."),
        Entry("compare", "results", "Compare two models on the same images."),
        Entry("robustness", "using.heatmap", "Show what blur, noise and light do to a model."),
    ),
    "Sign-off": (
        Entry("plan", "signoff", "Calculate how many test parts prove a claim."),
        Entry("criteria", "signoff", "Set or show the release criteria of a dataset."),
        Entry("seal", "signoff", "Seal the test of a model."),
        Entry("open-test", "signoff", "Open a sealed test; this is recorded."),
        Entry("report", "signoff", "Write the test report of a model."),
    ),
    "Use": (
        Entry("predict", "using.predict", "Classify images, with a decision per part."),
        Entry("predictions", "using.history", "Search what images were predicted to be."),
        Entry("watch", "using.watch", "Answer each image that appears in a folder."),
        Entry("heatmap", "using.heatmap", "Show what speaks for a class, or test heatmaps."),
        Entry("models", "using.registry", "List, release and retire models; notes."),
        Entry("delete", "use", "Delete a dataset, split, run, search or model."),
        Entry("add-model", "using.export", "Take a model file from elsewhere."),
        Entry("export-model", "using.export", "Write a model for other programs, checked."),
        Entry("serve", "using.serve", "Serve models over HTTP."),
        Entry("ui", "ui", "Start the app."),
    ),
    "Workspace": (
        Entry("bin", "people.bin", "List what was deleted, have it back, or empty the bin."),
        Entry("users", "people.users", "Say who may sign in, and with which role."),
        Entry("record", "keeping", "Show who changed what and when."),
        Entry("verify", "keeping", "Check that nothing was altered unseen."),
        Entry("doctor", "keeping", "Check versions, disk, workers, backups and integrity."),
        Entry("caches", "keeping", "Show what caches take, or clear them."),
        Entry("limits", "keeping", "Show the limits in force, or how to change them."),
        Entry("backup", "keeping", "Back up the workspace while it is in use."),
        Entry("restore-backup", "keeping", "Make a workspace of a backup."),
    ),
}

EPILOG = """[bold]Examples[/bold]

touchstone demo

touchstone import ./images --name Pills

touchstone split Pills && touchstone train Pills --recipe quick

touchstone evaluate "Pills EfficientNet-Lite0 quick" --json

touchstone COMMAND -h shows the options of a command. Every option can also be set by a variable
TOUCHSTONE_<COMMAND>_<OPTION>, for example TOUCHSTONE_UI_PORT=8600.

Exit codes: 0 done, 1 not done, 2 wrong call, 130 stopped by Ctrl+C.
"""


class Contents(TyperGroup):
    """Lists the commands from the table of contents, and loads the one that is called."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.commands = {
            entry.name: TyperCommand(entry.name, help=entry.summary, rich_help_panel=word)
            for word, entries in CONTENTS.items()
            for entry in entries
        }

    def resolve_command(  # type: ignore[override]
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """The command of the first word, loaded."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else None, rest


def load_command(name: str) -> TyperCommand | TyperGroup:
    """The command of this name, its module imported."""
    (module,) = (e.module for entries in CONTENTS.values() for e in entries if e.name == name)
    command = get_group(importlib.import_module(f"core.cli.{module}").app).commands[name]
    assert isinstance(command, TyperCommand | TyperGroup)
    _name_variables(command, name)
    if isinstance(command, TyperGroup):
        for own_name, own in command.commands.items():
            assert isinstance(own, TyperCommand)
            _name_variables(own, f"{name}_{own_name}")
    return command


def _name_variables(command: TyperCommand | TyperGroup, name: str) -> None:
    for option in command.params:
        if isinstance(option, TyperOption) and option.envvar is None:
            words = option.opts[0].removeprefix("--").replace("-", "_")
            option.envvar = f"TOUCHSTONE_{name}_{words}".replace("-", "_").upper()
            option.show_envvar = False  # Why: one rule for all; no help needs to repeat it.


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"touchstone {version(DISTRIBUTION)}")
        except PackageNotFoundError:
            typer.echo("touchstone, run from a folder that is not installed")
        raise typer.Exit


app = typer.Typer(
    name="touchstone",
    cls=Contents,
    help="Train, judge and use an image classifier on your own images.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _touchstone(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Hold the options of the program itself."""


def main() -> None:
    """Run the `touchstone` command."""
    import_sqlite_alone()
    print_anywhere()
    try:
        app(prog_name="touchstone")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as err:
        try:
            fail_unexpectedly(err, "--json" in sys.argv)
        except typer.Exit as end:
            sys.exit(end.exit_code)


if __name__ == "__main__":
    main()
