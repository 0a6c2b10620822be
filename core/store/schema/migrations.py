"""The schema of a workspace database: one migration per step, never changed once shipped."""

from sqlite_utils import Database, Migrations

from core.store.keeping import bin as bin_rows
from core.store.keeping import record
from core.store.people import accounts
from core.store.schema import former_words, statements

migrations = Migrations("touchstone")


@migrations()
def create_tables(db: Database) -> None:
    """The first schema."""
    _run(db, statements.FIRST)


@migrations()
def add_quality(db: Database) -> None:
    """Findings and look-alikes of datasets; leak certificates of splits."""
    _run(db, statements.QUALITY)


@migrations()
def add_versions(db: Database) -> None:
    """Versions of datasets, decisions on findings, insights, folds and seals of splits."""
    _run(db, statements.VERSIONS)


@migrations()
def add_judgement(db: Database) -> None:
    """Decision rules, criteria, seals and openings of test sets, marks on images."""
    _run(db, statements.JUDGEMENT)


@migrations()
def add_sign_off(db: Database) -> None:
    """What a model is meant for."""
    _run(db, statements.SIGN_OFF)


@migrations()
def add_focus(db: Database) -> None:
    """How focused heatmaps are; what else a seal fixes; which images were looked at."""
    _run(db, statements.FOCUS)


@migrations()
def add_strategy_fields(db: Database) -> None:
    """How a split was made, as fields; until then it was a sentence."""
    former_words.strategies_to_fields(db)


@migrations()
def add_cross_validations(db: Database) -> None:
    """Which runs were started together; until then their names and times told."""
    _run(db, statements.CROSS_VALIDATION)
    former_words.name_cross_validations(db)


@migrations()
def add_penalty_paths(db: Database) -> None:
    """Cross-validated losses of the quick recipe, and of which kind validation confidences are."""
    _run(db, statements.PENALTY)


@migrations()
def add_depth(db: Database) -> None:
    """The gray values of images with more than 8 bits; NULL: not measured yet."""
    _run(db, statements.DEPTH)


@migrations()
def add_part_answers(db: Database) -> None:
    """What people answered about look-alikes, and what a seal counted."""
    _run(db, statements.PART_ANSWERS)


@migrations()
def add_file_checks(db: Database) -> None:
    """When the file of an image was last as imported; what the last check of the files found."""
    _run(db, statements.FILES)


@migrations()
def add_certainty(db: Database) -> None:
    """How sure a finding about a label is; NULL: not estimated."""
    _run(db, statements.CERTAINTY)


@migrations()
def add_access_kinds(db: Database) -> None:
    """What a recorded view of test results was; until then every page load was one."""
    _run(db, statements.ACCESS_KINDS)


@migrations()
def add_verdicts(db: Database) -> None:
    """What the release criteria said of the test of a model when it was last read."""
    _run(db, statements.VERDICTS)


@migrations()
def add_progress(db: Database) -> None:
    """How far a whole job is, and when it may end; NULL: not estimated."""
    _run(db, statements.PROGRESS)


@migrations()
def add_reports(db: Database) -> None:
    """Which reports were made of a model."""
    _run(db, statements.REPORTS)


@migrations()
def add_epoch_details(db: Database) -> None:
    """More measures of each epoch, its hardest images, and where and how a run was computed."""
    _run(db, statements.EPOCH_DETAILS)


@migrations()
def add_record(db: Database) -> None:
    """Who changed what and when, in rows that cannot be changed."""
    record.create(db)


@migrations()
def add_queue(db: Database) -> None:
    """The order of waiting jobs, and whether a stop is a pause."""
    _run(db, statements.QUEUE)


@migrations()
def add_searches(db: Database) -> None:
    """Searches over settings, their trials, and the runs of trials."""
    _run(db, statements.SEARCH)


@migrations()
def add_orientation(db: Database) -> None:
    """Whether a flipped or turned part is the same part; NULL: not answered."""
    _run(db, "ALTER TABLE datasets ADD COLUMN orientation TEXT")


@migrations()
def add_detail_trials(db: Database) -> None:
    """The detail levels that a quick run compared."""
    _run(db, statements.DETAIL)


@migrations()
def add_batches(db: Database) -> None:
    """What an unfinished prediction of a folder has classified so far."""
    _run(db, statements.BATCHES)


@migrations()
def add_unfamiliar(db: Database) -> None:
    """How unlike the training images the images of an unfinished prediction are."""
    _run(db, "ALTER TABLE batch_images ADD COLUMN unfamiliar REAL")


@migrations()
def add_people(db: Database) -> None:
    """People who may sign in, and who queued a job."""
    _run(db, "ALTER TABLE jobs ADD COLUMN person TEXT NOT NULL DEFAULT ''")
    accounts.create(db)


@migrations()
def add_bin(db: Database) -> None:
    """What was deleted and can be had back."""
    bin_rows.create(db)


@migrations()
def add_studies(db: Database) -> None:
    """What was measured of a model beyond its predictions, and where its heatmaps are warm."""
    _run(db, statements.STUDIES)


@migrations()
def add_detectors(db: Database) -> None:
    """Which models only know good images."""
    _run(db, "ALTER TABLE models ADD COLUMN is_detector INTEGER NOT NULL DEFAULT 0")


@migrations()
def add_registry(db: Database) -> None:
    """The stage of each model, and what people wrote about it."""
    _run(db, statements.REGISTRY)


@migrations()
def add_history(db: Database) -> None:
    """What single images were predicted to be, and when."""
    _run(db, statements.HISTORY)


@migrations()
def add_pieces(db: Database) -> None:
    """Weights that several models share; models of before keep theirs for themselves."""
    _run(db, statements.PIECES)


@migrations()
def add_head_trials(db: Database) -> None:
    """Which kinds of last layer quick runs compared."""
    _run(db, statements.HEADS)


@migrations()
def tell_settled_findings(db: Database) -> None:
    """The record says what a settled finding was about, also when a newer check replaced it."""
    record.tell_settled_findings(db)


def _run(db: Database, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.conn.execute(statement)


# Why counted: a migration that is added can then not be forgotten here.
SCHEMA_VERSION = len(migrations.pending(Database(memory=True)))
