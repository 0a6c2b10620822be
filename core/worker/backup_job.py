"""The backup job: a backup into the folder that the payload names, on request or once a day."""

from pathlib import Path

from core.domain.jobs import JobStatus, Phase
from core.store.database import connect, transaction
from core.worker.backup import make_backup
from core.worker.session import JobSession


def run(session: JobSession) -> None:
    """Make the backup; a stop leaves nothing of it."""
    payload = session.job.payload
    session.report(Phase.COPYING_DATABASE, 0, 0)
    made = make_backup(
        session.workspace,
        Path(payload["folder"]),
        keep=int(payload["keep"]),
        on_file=lambda done, total: session.report(Phase.COPYING_FILES, done, total),
    )
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result={"name": made.folder.name})
