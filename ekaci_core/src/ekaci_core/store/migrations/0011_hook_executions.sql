-- Why: post-build hooks: what is to be run of which derivation, and what came of it.
-- Readable by: 0.1 and newer.

-- `hook` is its name, `origin` a `HookOrigin`, `state` a `HookState`. `definition` is JSON for a hook of a repository, as its
-- base revision had it, and empty for one of the server, whose configuration has it. `asked_at` is when it was queued.
-- `deaths` counts how often a server was killed while it ran.
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

CREATE INDEX hook_execution_pending ON hook_execution (id) WHERE state IN ('queued', 'interrupted');
CREATE INDEX hook_execution_state ON hook_execution (state, id);
CREATE INDEX hook_execution_derivation ON hook_execution (derivation, hook);
CREATE INDEX hook_execution_repository ON hook_execution (repository);
CREATE INDEX hook_execution_ended ON hook_execution (ended_at) WHERE state NOT IN ('queued', 'running', 'interrupted');
