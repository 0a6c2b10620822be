"""Is every slower recipe at least as good as the faster one?

    python benchmarks/recipes.py FOLDER [--seeds 5] [--staged 10] [--full 20] [--flips]
        [--only quick staged]

Imports the folder into a new workspace and, for each seed, splits it with look-alikes kept together
and trains quick, quick with tiles among what it compares, staged and full through the command line,
staged and full within so many minutes (0: the epochs of the recipe) and otherwise with the settings
that a new run has; --flips says that a flipped part is the same part. Prints, counted by image on
the test images: accuracy, macro recall, macro F1, log loss, and the seconds of the run; at the end
the mean and the standard deviation over the seeds, and the differences to quick on the same splits.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURES = ("accuracy", "macro_recall", "macro_f1", "log_loss")


def touchstone(workspace: Path, *arguments: object) -> dict:
    """The answer of one command."""
    command = [sys.executable, "-m", "core.cli", *map(str, arguments)]
    done = subprocess.run(
        [*command, "--workspace", str(workspace), "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout or done.stderr)
    return json.loads(done.stdout)


def measured(workspace: Path, split: str, *settings: object) -> dict[str, float]:
    """The measures of one run on its test images, its seconds, and whether it kept its start."""
    common = ("train", "set", "--split", split, "--device", "cpu")
    run = touchstone(workspace, *common, *settings)
    chosen = ("--subset", "test", "--count", "images")
    report = touchstone(workspace, "evaluate", run["model_id"], *chosen)
    setup = touchstone(workspace, "runs", "show", run["run_id"])["computed_on"]
    values = {name: float(report[name]) for name in MEASURES}
    return values | {"seconds": run["duration_s"], "kept": float(setup.get("start_kept", False))}


def line(name: str, values: dict[str, float]) -> str:
    """One row of the table."""
    return f"{name:22}" + "".join(f"{values[key]:9.3f}" for key in MEASURES)


def main() -> None:
    """Train on every split and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--staged", type=float, default=10, help="minutes")
    parser.add_argument("--full", type=float, default=20, help="minutes")
    parser.add_argument("--flips", action="store_true", help="a flipped part is the same part")
    parser.add_argument("--only", nargs="+", help="some of quick, tiles, staged, full")
    arguments = parser.parse_args()
    tiles = "auto_mirrored_tiles" if arguments.flips else "auto_tiles"
    recipes: dict[str, tuple[object, ...]] = {
        "quick": ("--recipe", "quick"),
        "tiles": ("--recipe", "quick", "--detail", tiles),
        "staged": ("--recipe", "staged", "--minutes", arguments.staged),
        "full": ("--recipe", "full", "--minutes", arguments.full),
    }
    if arguments.only:
        recipes = {name: recipes[name] for name in arguments.only}
    found: dict[str, list[dict[str, float]]] = {recipe: [] for recipe in recipes}
    print(f"{'':22}" + "".join(f"{name:>9}" for name in ("acc", "recall", "F1", "loss")))
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Path(scratch)
        touchstone(workspace, "import", arguments.folder.resolve(), "--name", "set")
        if arguments.flips:
            flips = ("--flip-horizontal", "--flip-vertical", "--any-rotation")
            touchstone(workspace, "orientation", "set", *flips)
        for seed in range(1, arguments.seeds + 1):
            options = ("--name", f"seed {seed}", "--seed", seed, "--group-by", "auto")
            split = touchstone(workspace, "split", "set", *options)
            for recipe, settings in recipes.items():
                values = measured(workspace, str(split["split_id"]), *settings)
                found[recipe].append(values)
                told = "   kept the quick model" if values["kept"] else ""
                row = line(f"seed {seed} {recipe}", values)
                print(f"{row}{values['seconds']:7.0f} s{told}", flush=True)
    print()
    for recipe, runs in found.items():
        for name, of in (("mean", statistics.mean), ("deviation", statistics.pstdev)):
            print(line(f"{recipe}, {name}", {key: of([r[key] for r in runs]) for key in MEASURES}))
        if recipe != "quick" and "quick" in found:
            gains = [
                {key: run[key] - quick[key] for key in MEASURES}
                for run, quick in zip(runs, found["quick"], strict=True)
            ]
            mean = {key: statistics.mean([gain[key] for gain in gains]) for key in MEASURES}
            print(line(f"{recipe} less quick", mean))


if __name__ == "__main__":
    main()
