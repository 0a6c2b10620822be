"""What a card of a dataset shows besides its stages, in few queries."""

from collections.abc import Sequence

from sqlite_utils import Database


def activity(db: Database) -> dict[str, float]:
    """Dataset id -> when something was last made of it or changed in it; UTC."""
    rows = db.query(
        "SELECT dataset_id, max(at) AS at FROM ("
        "SELECT dataset_id, created_at AS at FROM dataset_versions"
        " UNION ALL SELECT dataset_id, created_at FROM quality_checks"
        " UNION ALL SELECT dataset_id, created_at FROM splits"
        " UNION ALL SELECT dataset_id, created_at FROM runs"
        " UNION ALL SELECT dataset_id, created_at FROM models WHERE dataset_id IS NOT NULL"
        " UNION ALL SELECT dataset_id, created_at FROM criteria"
        " UNION ALL SELECT m.dataset_id, max(s.created_at, coalesce(s.opened_at, 0))"
        " FROM seals s JOIN models m ON m.id = s.model_id WHERE m.dataset_id IS NOT NULL"
        ") GROUP BY dataset_id"
    )
    return {row["dataset_id"]: row["at"] for row in rows}


def class_counts(db: Database, dataset_id: str) -> dict[int, int]:
    """Class index -> images in use, without zeros; counted in an index."""
    rows = db.query(
        "SELECT label, count(*) AS n FROM samples WHERE dataset_id = ? AND status = 'used'"
        " AND label IS NOT NULL GROUP BY label",
        [dataset_id],
    )
    return {row["label"]: row["n"] for row in rows}


def first_images(
    db: Database, dataset_id: str, labels: Sequence[int]
) -> list[tuple[int, int, str, str]]:
    """Label, id, sha256 and path of the first images in use of each class.

    A class that is listed n times gives its first n images, in the order of the list.
    """
    wanted = {label: labels.count(label) for label in labels}
    first: dict[int, list[tuple[int, int, str, str]]] = {
        label: db.conn.execute(
            "SELECT label, id, sha256, path FROM samples WHERE dataset_id = ?"
            " AND status = 'used' AND label = ? ORDER BY id LIMIT ?",
            [dataset_id, label, number],
        ).fetchall()
        for label, number in wanted.items()
    }
    return [first[label].pop(0) for label in labels if first[label]]


def declared_parts(db: Database, dataset_id: str) -> tuple[int, int]:
    """How many parts people declared or confirmed, and of how many images; read from an index."""
    row = db.conn.execute(
        "SELECT count(DISTINCT part), count(*) FROM samples WHERE dataset_id = ?"
        " AND status = 'used' AND part != ''",
        [dataset_id],
    )
    parts, images = row.fetchone()
    return int(parts), int(images)


def judgement_state(db: Database, dataset_id: str) -> tuple[str, float]:
    """Changes whenever the criteria of a dataset or a threshold of its models do."""
    rows = db.conn.execute(
        "SELECT coalesce((SELECT settings FROM criteria WHERE dataset_id = ?1), ''),"
        " coalesce((SELECT max(p.created_at) FROM operating_points p"
        " JOIN models m ON m.id = p.model_id WHERE m.dataset_id = ?1), 0)",
        [dataset_id],
    )
    settings, saved_at = rows.fetchone()
    return str(settings), float(saved_at)
