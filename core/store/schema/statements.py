"""The statements of every migration; never changed once shipped."""

SEARCH = """
CREATE TABLE searches (
    id TEXT PRIMARY KEY, name TEXT NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    split_id TEXT NOT NULL REFERENCES splits ON DELETE CASCADE, version INTEGER NOT NULL,
    preprocess TEXT NOT NULL, augment TEXT NOT NULL, train TEXT NOT NULL, over TEXT NOT NULL,
    minutes REAL NOT NULL, trials INTEGER NOT NULL, folds INTEGER NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE trials (
    search_id TEXT NOT NULL REFERENCES searches ON DELETE CASCADE, number INTEGER NOT NULL,
    run_id TEXT NOT NULL, state TEXT NOT NULL, chosen TEXT NOT NULL, score REAL,
    curve TEXT NOT NULL, duration_s REAL NOT NULL, error TEXT NOT NULL,
    PRIMARY KEY (search_id, number)
) STRICT, WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN is_trial INTEGER NOT NULL DEFAULT 0
"""

QUEUE = """
ALTER TABLE jobs ADD COLUMN position REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN pause_requested INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET position = created_at
"""

VERDICTS = """
CREATE TABLE verdicts (
    model_id TEXT PRIMARY KEY REFERENCES models ON DELETE CASCADE, missed TEXT NOT NULL,
    criteria TEXT NOT NULL, operating_point TEXT NOT NULL, read_at REAL NOT NULL
) STRICT
"""

EPOCH_DETAILS = """
ALTER TABLE epochs ADD COLUMN val_macro_recall REAL;
ALTER TABLE epochs ADD COLUMN val_log_loss REAL;
ALTER TABLE epochs ADD COLUMN train_accuracy REAL;
ALTER TABLE epochs ADD COLUMN images_per_second REAL;
ALTER TABLE epochs ADD COLUMN memory_mb REAL;
ALTER TABLE epochs ADD COLUMN seconds_waiting_for_data REAL;
CREATE TABLE epoch_details (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, epoch INTEGER NOT NULL,
    class_count INTEGER NOT NULL, confusion TEXT NOT NULL, hardest TEXT NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_records (
    run_id TEXT PRIMARY KEY REFERENCES runs ON DELETE CASCADE, record TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

DETAIL = """
CREATE TABLE detail_trials (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, detail TEXT NOT NULL,
    position INTEGER NOT NULL, log_loss REAL NOT NULL, standard_error REAL NOT NULL,
    macro_recall REAL NOT NULL, gain REAL, gain_error REAL, image_ms REAL NOT NULL,
    is_chosen INTEGER NOT NULL, PRIMARY KEY (run_id, detail)
) STRICT, WITHOUT ROWID
"""

PROGRESS = """
ALTER TABLE jobs ADD COLUMN share REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ends_at REAL;
UPDATE jobs SET share = 1 WHERE status = 'completed'
"""

PENALTY = """
CREATE TABLE penalty_path (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, penalty REAL NOT NULL,
    log_loss REAL NOT NULL, standard_error REAL NOT NULL, PRIMARY KEY (run_id, penalty)
) STRICT, WITHOUT ROWID;
ALTER TABLE models ADD COLUMN validation_cross_validated INTEGER NOT NULL DEFAULT 0
"""

DEPTH = """
ALTER TABLE datasets ADD COLUMN depth TEXT;
ALTER TABLE samples ADD COLUMN gray_mean REAL
"""

# An answer holds from its version on until another one, which undid it or went back before it.
# Why '' for seals of before: until then look-alikes were counted as parts.
CERTAINTY = """
ALTER TABLE findings ADD COLUMN certainty TEXT;
ALTER TABLE findings ADD COLUMN estimated_right REAL;
"""

PART_ANSWERS = """
CREATE TABLE part_answers (
    id INTEGER PRIMARY KEY, dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    version INTEGER NOT NULL, until INTEGER, answer TEXT NOT NULL, sample_ids TEXT NOT NULL
) STRICT;
CREATE INDEX part_answers_by_dataset ON part_answers (dataset_id);
ALTER TABLE seals ADD COLUMN unit TEXT NOT NULL DEFAULT '';
UPDATE findings SET message = replace(message,
    ' look-alikes: probably one part that was photographed several times.',
    ' look-alikes may show one part. Say whether they do.') WHERE kind = 'near_duplicate'
"""

# Why the models it compares with by name: they may be deleted, the report stays.
REPORTS = """
CREATE TABLE reports (
    id TEXT PRIMARY KEY, model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE,
    form TEXT NOT NULL, against TEXT NOT NULL, person TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE INDEX reports_by_model ON reports (model_id, created_at)
"""

# Why modified_at: it is the time of the file at its import, where that is known.
FILES = """
ALTER TABLE samples ADD COLUMN file_time REAL;
UPDATE samples SET file_time = modified_at;
CREATE TABLE file_checks (
    dataset_id TEXT PRIMARY KEY REFERENCES datasets ON DELETE CASCADE, checked_at REAL NOT NULL,
    changed TEXT NOT NULL, missing TEXT NOT NULL
) STRICT
"""

# Why by purpose: pages and commands wrote their own names, everything else was typed by somebody.
ACCESS_KINDS = """
ALTER TABLE openings ADD COLUMN kind TEXT NOT NULL DEFAULT 'opening';
ALTER TABLE openings ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE openings ADD COLUMN subject TEXT NOT NULL DEFAULT '';
UPDATE openings SET kind = 'page view' WHERE purpose IN
    ('Evaluate page', 'Operating point page', 'Compare page', 'Sign-off page',
    'touchstone evaluate', 'touchstone compare', 'touchstone threshold');
UPDATE openings SET kind = 'report' WHERE purpose LIKE 'Test report (%';
CREATE INDEX openings_by_model ON openings (model_id, split_id)
"""

# Why '' and 0: a run that is on no fold has neither.
CROSS_VALIDATION = """
ALTER TABLE runs ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN folds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cross_validation_id TEXT;
CREATE INDEX runs_by_cross_validation ON runs (cross_validation_id)
"""

# Why '' for seals and openings of before: nobody knows any more.
FOCUS = """
CREATE TABLE focus (
    model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE,
    sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE, value REAL,
    PRIMARY KEY (model_id, sample_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX focus_by_sample ON focus (sample_id);
ALTER TABLE seals ADD COLUMN parts_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE seals ADD COLUMN golden TEXT NOT NULL DEFAULT '';
ALTER TABLE openings ADD COLUMN pictures TEXT NOT NULL DEFAULT ''
"""

SIGN_OFF = """
CREATE TABLE intended_uses (
    model_id TEXT PRIMARY KEY REFERENCES models ON DELETE CASCADE, text TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT
"""

# Why openings refer to nothing: that a test set was looked at must outlive models and splits.
JUDGEMENT = """
CREATE TABLE operating_points (
    model_id TEXT PRIMARY KEY REFERENCES models ON DELETE CASCADE, settings TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE TABLE criteria (
    dataset_id TEXT PRIMARY KEY REFERENCES datasets ON DELETE CASCADE, settings TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE TABLE seals (
    model_id TEXT PRIMARY KEY REFERENCES models ON DELETE CASCADE, split_id TEXT NOT NULL,
    created_at REAL NOT NULL, criteria TEXT NOT NULL, operating_point TEXT NOT NULL,
    test_digest TEXT NOT NULL, opened_at REAL
) STRICT;
CREATE TABLE openings (
    id INTEGER PRIMARY KEY, split_id TEXT NOT NULL, model_id TEXT NOT NULL,
    model_name TEXT NOT NULL, purpose TEXT NOT NULL, opened_at REAL NOT NULL
) STRICT;
CREATE INDEX openings_by_split ON openings (split_id, opened_at);
CREATE TABLE marks (
    sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE, kind TEXT NOT NULL,
    created_at REAL NOT NULL, PRIMARY KEY (sample_id, kind)
) STRICT, WITHOUT ROWID
"""

VERSIONS = """
CREATE TABLE dataset_versions (
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE, number INTEGER NOT NULL,
    action TEXT NOT NULL, summary TEXT NOT NULL, digest TEXT NOT NULL,
    sample_count INTEGER NOT NULL, class_names TEXT NOT NULL, class_verdicts TEXT NOT NULL,
    created_at REAL NOT NULL, undoes INTEGER, PRIMARY KEY (dataset_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE sample_changes (
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE, version INTEGER NOT NULL,
    sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE,
    label_before INTEGER, part_before TEXT, status_before TEXT NOT NULL,
    label_after INTEGER, part_after TEXT, status_after TEXT NOT NULL,
    PRIMARY KEY (dataset_id, version, sample_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sample_changes_by_sample ON sample_changes (sample_id);
ALTER TABLE datasets ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE datasets ADD COLUMN class_verdicts TEXT NOT NULL DEFAULT '[]';
INSERT INTO dataset_versions SELECT id, 1, 'import', 'Imported', digest, sample_count, class_names,
    '[]', created_at, NULL FROM datasets;
ALTER TABLE samples ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE samples ADD COLUMN status TEXT NOT NULL DEFAULT 'used';
ALTER TABLE samples ADD COLUMN format TEXT;
ALTER TABLE samples ADD COLUMN modified_at REAL;
ALTER TABLE samples ADD COLUMN brightness REAL;
ALTER TABLE samples ADD COLUMN sharpness REAL;
ALTER TABLE samples ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
UPDATE samples SET name = path;
DROP INDEX samples_by_class;
CREATE INDEX samples_by_class ON samples (dataset_id, status, label);
CREATE INDEX samples_by_name ON samples (dataset_id, status, name, part);
CREATE INDEX samples_by_size ON samples (dataset_id, status, width * height);
CREATE INDEX samples_by_date ON samples (dataset_id, status, modified_at);
CREATE INDEX samples_by_sharpness ON samples (dataset_id, status, sharpness);
CREATE INDEX samples_by_brightness ON samples (dataset_id, status, brightness);
CREATE TABLE insights (
    sample_id INTEGER PRIMARY KEY REFERENCES samples ON DELETE CASCADE,
    confidence REAL, suggested INTEGER, x REAL, y REAL
) STRICT;
ALTER TABLE quality_checks ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE findings ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN suggested INTEGER;
ALTER TABLE findings ADD COLUMN score REAL;
CREATE TABLE finding_decisions (
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE, key TEXT NOT NULL,
    status TEXT NOT NULL, version INTEGER, created_at REAL NOT NULL, PRIMARY KEY (dataset_id, key)
) STRICT, WITHOUT ROWID;
ALTER TABLE splits ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE splits ADD COLUMN folds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE splits ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE split_members ADD COLUMN fold INTEGER;
ALTER TABLE runs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN fold INTEGER;
ALTER TABLE models ADD COLUMN version INTEGER;
ALTER TABLE models ADD COLUMN fold INTEGER
"""

QUALITY = """
CREATE TABLE quality_checks (
    dataset_id TEXT PRIMARY KEY REFERENCES datasets ON DELETE CASCADE, created_at REAL NOT NULL,
    near_pairs TEXT NOT NULL, group_count INTEGER NOT NULL, grouped_samples INTEGER NOT NULL,
    random_accuracy REAL, grouped_accuracy REAL
) STRICT;
CREATE TABLE findings (
    id INTEGER PRIMARY KEY, dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    kind TEXT NOT NULL, severity TEXT NOT NULL, message TEXT NOT NULL, sample_ids TEXT NOT NULL
) STRICT;
CREATE INDEX findings_by_dataset ON findings (dataset_id, kind);
ALTER TABLE splits ADD COLUMN certificate TEXT
"""

FIRST = """
CREATE TABLE datasets (
    id TEXT PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE UNIQUE, class_names TEXT NOT NULL,
    source TEXT NOT NULL, digest TEXT NOT NULL, sample_count INTEGER NOT NULL,
    created_at REAL NOT NULL, skipped TEXT NOT NULL, note TEXT NOT NULL, preprocess TEXT
) STRICT;
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    path TEXT NOT NULL, sha256 TEXT NOT NULL, label INTEGER, width INTEGER NOT NULL,
    height INTEGER NOT NULL, mode TEXT NOT NULL, file_size INTEGER NOT NULL, part TEXT
) STRICT;
CREATE INDEX samples_by_class ON samples (dataset_id, label);
CREATE TABLE splits (
    id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    name TEXT NOT NULL COLLATE NOCASE, strategy TEXT NOT NULL, seed INTEGER NOT NULL,
    train REAL NOT NULL, validation REAL NOT NULL, test REAL NOT NULL, digest TEXT NOT NULL,
    created_at REAL NOT NULL, UNIQUE (dataset_id, name)
) STRICT;
CREATE TABLE split_members (
    split_id TEXT NOT NULL REFERENCES splits ON DELETE CASCADE,
    sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE, subset TEXT NOT NULL,
    PRIMARY KEY (split_id, sample_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX split_members_by_subset ON split_members (split_id, subset);
CREATE INDEX split_members_by_sample ON split_members (sample_id);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    split_id TEXT NOT NULL REFERENCES splits ON DELETE CASCADE,
    preprocess TEXT NOT NULL, augment TEXT NOT NULL, train TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE epochs (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, epoch INTEGER NOT NULL,
    train_loss REAL, val_loss REAL, val_accuracy REAL, val_macro_f1 REAL, learning_rate REAL,
    duration_s REAL, is_best INTEGER NOT NULL, PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, lane TEXT NOT NULL, subject_id TEXT NOT NULL,
    status TEXT NOT NULL, attempt INTEGER NOT NULL, payload TEXT NOT NULL,
    created_at REAL NOT NULL, started_at REAL, finished_at REAL, heartbeat_at REAL,
    stop_requested INTEGER NOT NULL DEFAULT 0, owner TEXT, device TEXT,
    phase TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0, phase_started_at REAL, error TEXT, hint TEXT,
    warnings TEXT NOT NULL DEFAULT '[]', result TEXT NOT NULL DEFAULT '{}',
    UNIQUE (subject_id, attempt)
) STRICT;
CREATE INDEX jobs_by_status ON jobs (status, lane, created_at);
CREATE TABLE models (
    id TEXT PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    run_id TEXT REFERENCES runs ON DELETE SET NULL,
    dataset_id TEXT REFERENCES datasets ON DELETE SET NULL, dataset_name TEXT NOT NULL,
    split_id TEXT REFERENCES splits ON DELETE SET NULL, class_names TEXT NOT NULL,
    network TEXT NOT NULL, preprocess TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL, created_at REAL NOT NULL, val_macro_f1 REAL, test_macro_f1 REAL
) STRICT;
CREATE TABLE model_chunks (
    model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE, position INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (model_id, position)
) STRICT;
CREATE TABLE predictions (
    model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE, subset TEXT NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES datasets ON DELETE CASCADE,
    sample_ids BLOB NOT NULL, probabilities BLOB NOT NULL, PRIMARY KEY (model_id, subset)
) STRICT;
"""

BATCHES = """
CREATE TABLE batch_images (
    batch_id TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    confidences BLOB NOT NULL, error TEXT, PRIMARY KEY (batch_id, path)
) STRICT, WITHOUT ROWID
"""

STUDIES = """
CREATE TABLE studies (
    model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE, kind TEXT NOT NULL,
    result TEXT NOT NULL, created_at REAL NOT NULL, PRIMARY KEY (model_id, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE heats (
    model_id TEXT NOT NULL REFERENCES models ON DELETE CASCADE,
    sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE, cells BLOB NOT NULL,
    PRIMARY KEY (model_id, sample_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX heats_by_sample ON heats (sample_id)
"""

REGISTRY = """
ALTER TABLE models ADD COLUMN stage TEXT NOT NULL DEFAULT 'candidate';
ALTER TABLE models ADD COLUMN note TEXT NOT NULL DEFAULT ''
"""

PIECES = """
CREATE TABLE model_pieces (digest TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
ALTER TABLE model_chunks ADD COLUMN piece TEXT REFERENCES model_pieces (digest);
CREATE INDEX model_chunks_by_piece ON model_chunks (piece)
"""

HISTORY = """
CREATE TABLE predicted_images (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, model_id TEXT NOT NULL, model_name TEXT NOT NULL,
    path TEXT NOT NULL, class_name TEXT, confidence REAL, decision TEXT, part TEXT, unfamiliar REAL,
    error TEXT
) STRICT
"""

HEADS = """
CREATE TABLE head_trials (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, head TEXT NOT NULL,
    position INTEGER NOT NULL, penalty REAL NOT NULL, log_loss REAL NOT NULL,
    standard_error REAL NOT NULL, macro_recall REAL NOT NULL, gain REAL, gain_error REAL,
    image_ms REAL NOT NULL, is_chosen INTEGER NOT NULL, PRIMARY KEY (run_id, head)
) STRICT, WITHOUT ROWID
"""
