"""Look-alikes and what people answered about them: which show one part, and which do not.

An answer is part of the history of its dataset: it holds from its version on, an undo takes it
back, and going back to a version brings back the answers of that version.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence

from sqlite_utils import Database

from core.domain.findings import Finding, FindingKind, FindingStatus, look_alike_finding
from core.domain.ids import json_digest
from core.domain.parts import (
    AnsweredImages,
    Pair,
    PartAnswer,
    groups_of_pairs,
    kept_apart,
    pairs_left,
)


def insert_answers(
    db: Database, dataset_id: str, version: int, answers: Iterable[AnsweredImages]
) -> None:
    """Record answers as part of a version; call inside a transaction."""
    db.conn.executemany(
        "INSERT INTO part_answers (dataset_id, version, answer, sample_ids) VALUES (?, ?, ?, ?)",
        (
            (dataset_id, version, given.answer.value, json.dumps(given.sample_ids))
            for given in answers
        ),
    )


def list_answers(db: Database, dataset_id: str) -> list[AnsweredImages]:
    """The answers that hold today, oldest first."""
    rows = db.conn.execute(
        "SELECT answer, sample_ids FROM part_answers WHERE dataset_id = ? AND until IS NULL"
        " ORDER BY id",
        [dataset_id],
    ).fetchall()
    return [AnsweredImages(PartAnswer(answer), tuple(json.loads(ids))) for answer, ids in rows]


def restore_answers(db: Database, dataset_id: str, number: int, version: int) -> None:
    """Make the answers of version `number` hold again from `version` on, and only these.

    Call inside a transaction.
    """
    db.conn.execute(
        "UPDATE part_answers SET until = ? WHERE dataset_id = ? AND until IS NULL AND version > ?",
        [version, dataset_id, number],
    )
    db.conn.execute(
        "INSERT INTO part_answers (dataset_id, version, answer, sample_ids)"
        " SELECT dataset_id, ?, answer, sample_ids FROM part_answers"
        " WHERE dataset_id = ? AND version <= ? AND until > ? AND until < ? ORDER BY id",
        [version, dataset_id, number, number, version],
    )


def was_answered(db: Database, dataset_id: str) -> bool:
    """Whether anybody ever answered, even if it was undone."""
    row = db.conn.execute("SELECT 1 FROM part_answers WHERE dataset_id = ? LIMIT 1", [dataset_id])
    return row.fetchone() is not None


def ignored_look_alikes(db: Database, dataset_id: str) -> list[tuple[int, ...]]:
    """Sample ids of each finding of look-alikes that somebody ignored."""
    rows = db.conn.execute(
        "SELECT f.sample_ids FROM findings f JOIN finding_decisions d"
        " ON d.dataset_id = f.dataset_id AND d.key = f.key"
        " WHERE f.dataset_id = ? AND f.kind = ? AND d.status = ?",
        [dataset_id, FindingKind.NEAR_DUPLICATE.value, FindingStatus.IGNORED.value],
    ).fetchall()
    return [tuple(json.loads(ids)) for (ids,) in rows]


def sets_apart(db: Database, dataset_id: str) -> list[frozenset[int]]:
    """Sets of sample ids of which no two look-alikes count together: answered so, or ignored."""
    ignored = ignored_look_alikes(db, dataset_id)
    answers = [AnsweredImages(PartAnswer.DIFFERENT, ids) for ids in ignored]
    return kept_apart([*answers, *list_answers(db, dataset_id)])


def answers_digest(db: Database, dataset_id: str) -> str:
    """Names which look-alikes people took apart; '' where they took none."""
    apart = sets_apart(db, dataset_id)
    return json_digest(sorted(sorted(ids) for ids in apart))[:24] if apart else ""


def look_alikes_state(db: Database, dataset_id: str) -> Hashable:
    """Changes whenever the look-alikes that count may have changed; cheap. A key for caches."""
    return tuple(
        db.conn.execute(
            "SELECT (SELECT created_at FROM quality_checks WHERE dataset_id = ?1),"
            " (SELECT max(id) FROM part_answers WHERE dataset_id = ?1),"
            " (SELECT max(until) FROM part_answers WHERE dataset_id = ?1),"
            " (SELECT count(*) FROM finding_decisions WHERE dataset_id = ?1 AND status = ?2),"
            " (SELECT max(created_at) FROM finding_decisions WHERE dataset_id = ?1)",
            [dataset_id, FindingStatus.IGNORED.value],
        ).fetchone()
    )


def read_pairs(stored: str) -> tuple[Pair, ...]:
    """Pairs of sample ids as a check stores them."""
    return tuple((first, second) for first, second in json.loads(stored))


def pairs_of_check(db: Database, dataset_id: str) -> tuple[Pair, ...]:
    """All pairs that the last check found, whatever was answered; empty without a check."""
    row = db.conn.execute(
        "SELECT near_pairs FROM quality_checks WHERE dataset_id = ?", [dataset_id]
    ).fetchone()
    return read_pairs(row[0]) if row else ()


def group_counts(db: Database, dataset_id: str, pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many groups these pairs and equal files make today, and of how many images."""
    rows = db.conn.execute(
        "SELECT id, sha256 FROM samples WHERE dataset_id = ? AND status = 'used'", [dataset_id]
    ).fetchall()
    used = {sample_id for sample_id, _ in rows}
    first: dict[str, int] = {}
    copies = [(first.setdefault(sha256, sample_id), sample_id) for sample_id, sha256 in rows]
    alike = [pair for pair in pairs if used.issuperset(pair)]
    sizes = [n for n in map(len, groups_of_pairs([*alike, *copies])) if n > 1]
    return len(sizes), sum(sizes)


def outdated_findings(
    db: Database, dataset_id: str, listed: Sequence[Finding]
) -> tuple[list[Finding], list[Finding]]:
    """Which findings of look-alikes the answers made untrue, and which take their place.

    Args:
        db: of the workspace.
        dataset_id: of the dataset.
        listed: all findings of look-alikes; those that were fixed or ignored stay.
    """
    apart = kept_apart(list_answers(db, dataset_id))
    groups = groups_of_pairs(pairs_left(pairs_of_check(db, dataset_id), apart))
    group_of = {sample_id: group for group in groups for sample_id in group}
    wanted = {finding.key: finding for finding in map(look_alike_finding, groups)}
    settled = [set(f.sample_ids) for f in listed if f.status is not FindingStatus.OPEN]
    gone = [
        finding
        for finding in listed
        if finding.status is FindingStatus.OPEN
        and finding.key not in wanted
        and (
            _touches_twice(finding.sample_ids, apart)
            or set(finding.sample_ids) < set(group_of.get(finding.sample_ids[0], ()))
        )
    ]
    known = {finding.key for finding in listed}
    new = [
        finding
        for key, finding in wanted.items()
        if key not in known and not any(ids.issuperset(finding.sample_ids) for ids in settled)
    ]
    return gone, new


def taken_apart(db: Database, dataset_id: str, listed: Sequence[Finding]) -> list[Finding]:
    """The findings whose images people took apart, so that nothing joins any two of them.

    Args:
        db: of the workspace.
        dataset_id: of the dataset.
        listed: findings of labels that differ, or of leaks between subsets.
    """
    apart = sets_apart(db, dataset_id)
    touched = [f for f in listed if _touches_twice(f.sample_ids, apart)]
    if not touched:
        return []
    alike: dict[int, set[int]] = defaultdict(set)
    for a, b in pairs_left(pairs_of_check(db, dataset_id), apart):
        alike[a].add(b)
        alike[b].add(a)
    return [
        f
        for f in touched
        if not any(not alike[i].isdisjoint(f.sample_ids) for i in f.sample_ids)
        and len(set(_certain(db, f))) == len(f.sample_ids)
    ]


def _touches_twice(sample_ids: Collection[int], apart: Sequence[frozenset[int]]) -> bool:
    """Whether two of the images are of one set."""
    return any(len(ids.intersection(sample_ids)) > 1 for ids in apart)


def _certain(db: Database, finding: Finding) -> Iterator[object]:
    """For each image what joins it to others for certain: its bytes or, for leaks, its part."""
    rows = db.conn.execute(
        "SELECT id, sha256, part FROM samples WHERE id IN (SELECT value FROM json_each(?))",
        [json.dumps(finding.sample_ids)],
    ).fetchall()
    copies = Counter(sha256 for _, sha256, _ in rows)
    for sample_id, sha256, part in rows:
        if copies[sha256] > 1:
            yield sha256
        elif part and finding.kind is FindingKind.SUBSET_LEAK:
            yield "part", part
        else:
            yield sample_id
