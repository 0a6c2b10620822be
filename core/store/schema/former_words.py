"""What older workspaces hold as sentences, read once by a migration and by nobody else."""

import json
import re
from collections import defaultdict

from sqlite_utils import Database

_STRATEGY = re.compile(
    r"(?:(?P<folds>\d+) folds(?:, |$))?"
    r"(?:counts (?P<counts>\d+/\d+/\d+)(?P<per_class> per class)?(?:, |$))?"
    r"(?:ordered by (?P<order_by>name|date)(?:, |$))?"
    r"(?:grouped by (?P<kind>auto|folder|column|attribute|regex)(?::(?P<value>.+))?)?",
    re.DOTALL,
)
_FOLD_NAME = re.compile(r"(?P<given>.*) fold \d+ of (?P<folds>\d+)", re.DOTALL)


def strategies_to_fields(db: Database) -> None:
    """Replace the sentence of every split by its fields, and take it out of the certificates."""
    rows = db.conn.execute("SELECT id, strategy, certificate FROM splits").fetchall()
    for key, words, certificate in rows:
        values = json.loads(certificate) if certificate else None
        if values:
            values.pop("strategy", None)
        db.conn.execute(
            "UPDATE splits SET strategy = ?, certificate = ? WHERE id = ?",
            [json.dumps(strategy_of(words)), json.dumps(values) if values else None, key],
        )


def strategy_of(words: str) -> dict[str, object]:
    """The fields of a former sentence, such as "3 folds, ordered by name, grouped by auto"."""
    match = _STRATEGY.fullmatch("" if words == "stratified" else words)
    if match is None:  # "as delivered": nothing else was ever written
        return _fields("provided")
    parts = match.groupdict()
    counts = [int(n) for n in parts["counts"].split("/")] if parts["counts"] else None
    return _fields(
        "folds" if parts["folds"] else "counts" if counts else "fractions",
        group_by={"kind": parts["kind"], "value": parts["value"] or ""} if parts["kind"] else None,
        order_by=parts["order_by"],
        counts=counts,
        per_class=parts["per_class"] is not None,
    )


def _fields(
    method: str,
    *,
    group_by: dict[str, str] | None = None,
    order_by: str | None = None,
    counts: list[int] | None = None,
    per_class: bool = False,
) -> dict[str, object]:
    return {
        "method": method,
        "group_by": group_by,
        "order_by": order_by,
        "counts": counts,
        "per_class": per_class,
    }


def name_cross_validations(db: Database) -> None:
    """Give the runs on folds that were started together a common id, by name, split and time."""
    rows = db.conn.execute(
        "SELECT id, name, split_id, created_at FROM runs WHERE fold IS NOT NULL ORDER BY rowid"
    ).fetchall()
    together: dict[tuple[str, str, float], list[str]] = defaultdict(list)
    for key, name, split_id, created_at in rows:
        match = _FOLD_NAME.fullmatch(name)
        if match:
            db.conn.execute(
                "UPDATE runs SET given_name = ?, folds = ? WHERE id = ?",
                [match["given"], int(match["folds"]), key],
            )
            together[match["given"], split_id, created_at].append(key)
    for members in together.values():
        if len(members) > 1:
            common = members[0].replace("run-", "cv-", 1)
            db.conn.executemany(
                "UPDATE runs SET cross_validation_id = ? WHERE id = ?",
                [(common, key) for key in members],
            )
