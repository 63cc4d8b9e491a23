-- Why: the first schema. Evaluations, derivations and builds as `review` needs them.
-- Readable by: 0.1 and newer.

-- Numbers ascend from inputs to dependents. `path` is the base name without ".drv" for the usual store directory.
-- `inputs` holds the numbers of the inputs, little-endian and 4 bytes each. `name` is null where the path says it.
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

-- Numbers of evaluations are never used twice: another process may still hold one that was dropped.
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

CREATE INDEX evaluation_key ON evaluation (tree, job);

-- Neighbouring commits share nearly all metadata, so it stands apart, once for each content.
CREATE TABLE meta (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE attribute (
  evaluation INTEGER NOT NULL REFERENCES evaluation (id) ON DELETE CASCADE,
  attr TEXT NOT NULL,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  meta INTEGER REFERENCES meta (id),
  name TEXT NOT NULL,
  system TEXT NOT NULL,
  pname TEXT,
  version TEXT,
  PRIMARY KEY (evaluation, attr)
) STRICT, WITHOUT ROWID;

CREATE TABLE fault (
  id INTEGER PRIMARY KEY,
  evaluation INTEGER NOT NULL REFERENCES evaluation (id) ON DELETE CASCADE,
  attr TEXT,
  kind TEXT NOT NULL,
  message TEXT NOT NULL,
  position TEXT
) STRICT;

CREATE INDEX fault_evaluation ON fault (evaluation);

-- States are numbers of BuildState. `blockers` is packed as `inputs` is, null where there is none.
CREATE TABLE build (
  derivation INTEGER PRIMARY KEY REFERENCES derivation (id),
  state INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  blockers BLOB
) STRICT;

CREATE TABLE build_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  at REAL NOT NULL,
  state INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  cause TEXT NOT NULL
) STRICT;

CREATE TABLE claim (
  derivation INTEGER PRIMARY KEY REFERENCES derivation (id),
  worker TEXT NOT NULL,
  until REAL NOT NULL
) STRICT;

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
) STRICT;

CREATE INDEX attempt_derivation ON attempt (derivation, id);
