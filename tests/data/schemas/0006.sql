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
CREATE TABLE meta (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE sqlite_sequence(name,seq);
CREATE INDEX attempt_derivation ON attempt (derivation, id);
CREATE INDEX evaluation_key ON evaluation (tree, job);
CREATE INDEX fault_evaluation ON fault (evaluation);
