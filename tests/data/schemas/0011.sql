CREATE TABLE approved_user (
  forge TEXT NOT NULL,
  person INTEGER NOT NULL,
  login TEXT NOT NULL COLLATE NOCASE,
  approved_at REAL NOT NULL,
  notes TEXT NOT NULL,
  PRIMARY KEY (forge, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  builder TEXT NOT NULL,
  started_at REAL NOT NULL,
  log_path TEXT,
  ended_at REAL,
  exit_status INTEGER,
  outcome INTEGER,
  reason TEXT NOT NULL DEFAULT ''
, kind TEXT) STRICT;
CREATE TABLE attribute (
  evaluation INTEGER NOT NULL REFERENCES evaluation (id) ON DELETE CASCADE,
  attr TEXT NOT NULL,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  meta INTEGER REFERENCES meta (id),
  name TEXT NOT NULL,
  system TEXT NOT NULL,
  pname TEXT,
  version TEXT, fingerprint BLOB,
  PRIMARY KEY (evaluation, attr)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_record (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  repository INTEGER REFERENCES repository (id),
  derivation TEXT,
  path TEXT,
  outcome TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE TABLE build (
  derivation INTEGER PRIMARY KEY REFERENCES derivation (id),
  state INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  blockers BLOB
, event INTEGER) STRICT;
CREATE TABLE build_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  at REAL NOT NULL,
  state INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  cause TEXT NOT NULL
) STRICT;
CREATE TABLE cancellation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  at REAL NOT NULL
) STRICT;
CREATE TABLE claim (
  derivation INTEGER PRIMARY KEY REFERENCES derivation (id),
  worker TEXT NOT NULL,
  until REAL NOT NULL
) STRICT;
CREATE TABLE commit_approval (
  repository INTEGER NOT NULL REFERENCES repository (id),
  sha TEXT NOT NULL,
  login TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (repository, sha)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  forge TEXT NOT NULL,
  instance TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  received_at REAL NOT NULL,
  replayed_at REAL,
  state TEXT NOT NULL,
  handled_at REAL,
  outcome TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  UNIQUE (forge, name)
) STRICT;
CREATE TABLE delivery_payload (
  delivery INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE derivation (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  inputs BLOB NOT NULL,
  system TEXT NOT NULL,
  outputs TEXT NOT NULL,
  name TEXT,
  pname TEXT,
  version TEXT,
  features TEXT,
  prefer_local INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE duration (
  subject TEXT PRIMARY KEY,
  seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE evaluation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tree TEXT NOT NULL,
  job TEXT NOT NULL,
  file TEXT NOT NULL,
  attr_path TEXT NOT NULL,
  evaluator TEXT NOT NULL,
  source_name TEXT NOT NULL,
  options TEXT NOT NULL,
  gc_roots TEXT NOT NULL,
  started_at REAL NOT NULL,
  finished_at REAL,
  used_at REAL NOT NULL,
  nulls INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE fault (
  id INTEGER PRIMARY KEY,
  evaluation INTEGER NOT NULL REFERENCES evaluation (id) ON DELETE CASCADE,
  attr TEXT,
  kind TEXT NOT NULL,
  message TEXT NOT NULL,
  position TEXT
) STRICT;
CREATE TABLE forge_pause (
  account TEXT PRIMARY KEY,
  until REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE forge_write (
  account TEXT NOT NULL,
  at REAL NOT NULL
) STRICT;
CREATE TABLE hook_execution (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  review INTEGER REFERENCES review (id) ON DELETE SET NULL,
  repository INTEGER NOT NULL REFERENCES repository (id),
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  origin TEXT NOT NULL,
  hook TEXT NOT NULL,
  fod INTEGER NOT NULL,
  job TEXT NOT NULL,
  branch TEXT NOT NULL,
  sha TEXT NOT NULL,
  definition TEXT NOT NULL,
  state TEXT NOT NULL,
  asked_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  exit_status INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  deaths INTEGER NOT NULL DEFAULT 0,
  log_path TEXT,
  reason TEXT NOT NULL DEFAULT '',
  UNIQUE (review, origin, hook, derivation)
) STRICT;
CREATE TABLE installation (
  forge TEXT NOT NULL,
  instance TEXT NOT NULL,
  repository INTEGER NOT NULL REFERENCES repository (id),
  noted_at REAL NOT NULL,
  PRIMARY KEY (forge, instance, repository)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE post (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository INTEGER NOT NULL REFERENCES repository (id),
  sha TEXT NOT NULL,
  context TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  sent INTEGER NOT NULL DEFAULT 0,
  remote TEXT,
  writes INTEGER NOT NULL DEFAULT 0,
  changed_at REAL NOT NULL,
  waiting_since REAL NOT NULL,
  sent_at REAL,
  not_before REAL DEFAULT 0.0,
  final INTEGER NOT NULL,
  fault TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL,
  UNIQUE (repository, sha, context)
) STRICT;
CREATE TABLE pull_request (
  repository INTEGER NOT NULL REFERENCES repository (id),
  number INTEGER NOT NULL,
  title TEXT NOT NULL,
  login TEXT NOT NULL,
  author INTEGER NOT NULL,
  state TEXT NOT NULL,
  draft INTEGER NOT NULL,
  base TEXT NOT NULL,
  base_sha TEXT NOT NULL,
  head TEXT NOT NULL,
  head_sha TEXT NOT NULL,
  head_repository INTEGER REFERENCES repository (id),
  updated_at REAL NOT NULL,
  noted_at REAL NOT NULL,
  PRIMARY KEY (repository, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE push (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cache TEXT NOT NULL,
  path TEXT NOT NULL,
  derivation TEXT NOT NULL,
  repository INTEGER NOT NULL REFERENCES repository (id),
  review INTEGER REFERENCES review (id) ON DELETE SET NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before REAL NOT NULL DEFAULT 0.0,
  reason TEXT NOT NULL DEFAULT '',
  asked_at REAL NOT NULL,
  changed_at REAL NOT NULL,
  first_tried_at REAL,
  sent_bytes INTEGER,
  UNIQUE (cache, path)
) STRICT;
CREATE TABLE repository (
  id INTEGER PRIMARY KEY,
  forge TEXT NOT NULL,
  path TEXT NOT NULL COLLATE NOCASE,
  UNIQUE (forge, path)
) STRICT;
CREATE TABLE review (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository INTEGER NOT NULL REFERENCES repository (id),
  occasion TEXT NOT NULL,
  number INTEGER NOT NULL,
  base TEXT NOT NULL,
  base_sha TEXT,
  head_sha TEXT NOT NULL,
  ref TEXT NOT NULL,
  trusted INTEGER NOT NULL,
  author TEXT NOT NULL,
  state TEXT NOT NULL,
  asked_at REAL NOT NULL,
  changed_at REAL NOT NULL,
  detail TEXT NOT NULL DEFAULT '',
  round INTEGER NOT NULL DEFAULT 1,
  decision TEXT,
  UNIQUE (repository, head_sha, occasion, number, base)
) STRICT;
CREATE TABLE review_check (
  review INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  context TEXT NOT NULL,
  changed_at REAL NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (review, context)
) STRICT, WITHOUT ROWID;
CREATE TABLE review_result (
  review INTEGER PRIMARY KEY REFERENCES review (id) ON DELETE CASCADE,
  at REAL NOT NULL,
  report BLOB NOT NULL
) STRICT;
CREATE TABLE sqlite_sequence(name,seq);
CREATE INDEX approved_user_login ON approved_user (forge, login);
CREATE INDEX attempt_derivation ON attempt (derivation, id);
CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_repository ON audit_record (repository);
CREATE INDEX audit_record_subject ON audit_record (subject, id);
CREATE INDEX delivery_received ON delivery (received_at, forge, name);
CREATE INDEX delivery_state ON delivery (state);
CREATE INDEX evaluation_key ON evaluation (tree, job);
CREATE INDEX fault_evaluation ON fault (evaluation);
CREATE INDEX forge_write_account ON forge_write (account, at);
CREATE INDEX hook_execution_derivation ON hook_execution (derivation, hook);
CREATE INDEX hook_execution_ended ON hook_execution (ended_at) WHERE state NOT IN ('queued', 'running', 'interrupted');
CREATE INDEX hook_execution_pending ON hook_execution (id) WHERE state IN ('queued', 'interrupted');
CREATE INDEX hook_execution_repository ON hook_execution (repository);
CREATE INDEX hook_execution_state ON hook_execution (state, id);
CREATE INDEX installation_repository ON installation (repository);
CREATE INDEX post_changed ON post (changed_at);
CREATE INDEX post_due ON post (final DESC, waiting_since, not_before)
WHERE sent < version AND not_before IS NOT NULL;
CREATE INDEX post_later ON post (not_before)
WHERE sent < version AND not_before IS NOT NULL;
CREATE INDEX pull_request_open ON pull_request (updated_at) WHERE state = 'open';
CREATE INDEX pull_request_repository ON pull_request (repository, updated_at);
CREATE INDEX pull_request_repository_open ON pull_request (repository, updated_at) WHERE state = 'open';
CREATE INDEX pull_request_updated ON pull_request (updated_at);
CREATE INDEX push_changed ON push (changed_at) WHERE state IN ('done', 'present', 'failed');
CREATE INDEX push_later ON push (cache, not_before) WHERE state = 'pending';
CREATE INDEX push_pending ON push (cache, id) WHERE state = 'pending';
CREATE INDEX push_repository ON push (repository);
CREATE INDEX push_review ON push (review);
CREATE INDEX push_state ON push (state, id);
CREATE INDEX review_check_changed ON review_check (changed_at);
CREATE INDEX review_given_up ON review (changed_at) WHERE state IN ('superseded', 'closed');
CREATE INDEX review_live ON review (asked_at)
WHERE state IN ('waiting', 'queued', 'evaluating', 'building', 'fault');
CREATE INDEX review_number ON review (repository, number);
CREATE INDEX review_repository ON review (repository);
CREATE INDEX review_result_at ON review_result (at);
