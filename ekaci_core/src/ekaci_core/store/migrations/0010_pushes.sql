-- Why: caches: what is to be brought there, what came of it, and a record of what ran with an operator's secrets.
-- Readable by: 0.1 and newer.

-- One row for each path of each cache. `cache` is an id of the configuration, `state` a `PushState`. Numbers grow from
-- what is referred to, to what refers to it. `derivation` is the one for whose outputs the path is needed. `first_tried_at`
-- is when the first of `attempts` began.
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

CREATE INDEX push_pending ON push (cache, id) WHERE state = 'pending';
CREATE INDEX push_later ON push (cache, not_before) WHERE state = 'pending';
CREATE INDEX push_state ON push (state, id);
CREATE INDEX push_changed ON push (changed_at) WHERE state IN ('done', 'present', 'failed');
CREATE INDEX push_review ON push (review);
CREATE INDEX push_repository ON push (repository);

-- `event` is a word for machines, `subject` what ran: `cache:ID` or `hook:NAME`. `repository` is null where it was for none.
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

CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_subject ON audit_record (subject, id);
CREATE INDEX audit_record_repository ON audit_record (repository);
