-- Why: the server: what forges told it, what it reviews, and what is to stand at forges.
-- Readable by: 0.1 and newer.

-- Forges tell repositories apart without regard to case. Everything else names a repository by its number, so that one
-- that is renamed keeps all of it.
CREATE TABLE repository (
  id INTEGER PRIMARY KEY,
  forge TEXT NOT NULL,
  path TEXT NOT NULL COLLATE NOCASE,
  UNIQUE (forge, path)
) STRICT;

-- `state` is a `DeliveryState`. Numbers are never used twice: people name deliveries by them.
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

CREATE INDEX delivery_state ON delivery (state);
CREATE INDEX delivery_received ON delivery (received_at, forge, name);

-- Apart, so that a change of state does not write it again. `body` is compressed by zlib.
CREATE TABLE delivery_payload (
  delivery INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;

-- `occasion` and `state` are an `Occasion` and a `ReviewState`. `number` is 0 where it is of no pull request.
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

CREATE INDEX review_repository ON review (repository);
CREATE INDEX review_number ON review (repository, number);
CREATE INDEX review_live ON review (asked_at)
WHERE state IN ('waiting', 'queued', 'evaluating', 'building', 'fault');

CREATE INDEX review_given_up ON review (changed_at) WHERE state IN ('superseded', 'closed');

-- `report` is JSON, compressed by zlib.
CREATE TABLE review_result (
  review INTEGER PRIMARY KEY REFERENCES review (id) ON DELETE CASCADE,
  at REAL NOT NULL,
  report BLOB NOT NULL
) STRICT;

CREATE INDEX review_result_at ON review_result (at);

-- `body` is what is wanted, as JSON that is equal for equal checks. `not_before` is null where it was given up.
-- `waiting_since` is when it came to wait for being sent.
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

CREATE INDEX post_due ON post (final DESC, waiting_since, not_before)
WHERE sent < version AND not_before IS NOT NULL;
CREATE INDEX post_later ON post (not_before)
WHERE sent < version AND not_before IS NOT NULL;
CREATE INDEX post_changed ON post (changed_at);

-- `state` is a `PullRequestState`, `author` the forge's own number of the person.
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

CREATE INDEX pull_request_updated ON pull_request (updated_at);
CREATE INDEX pull_request_repository ON pull_request (repository, updated_at);
CREATE INDEX pull_request_open ON pull_request (updated_at) WHERE state = 'open';
CREATE INDEX pull_request_repository_open ON pull_request (repository, updated_at) WHERE state = 'open';

CREATE TABLE commit_approval (
  repository INTEGER NOT NULL REFERENCES repository (id),
  sha TEXT NOT NULL,
  login TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (repository, sha)
) STRICT, WITHOUT ROWID;

-- `person` is the forge's own number: a login can be taken by another.
CREATE TABLE approved_user (
  forge TEXT NOT NULL,
  person INTEGER NOT NULL,
  login TEXT NOT NULL COLLATE NOCASE,
  approved_at REAL NOT NULL,
  notes TEXT NOT NULL,
  PRIMARY KEY (forge, person)
) STRICT, WITHOUT ROWID;

CREATE INDEX approved_user_login ON approved_user (forge, login);

-- The repositories that configured instances were given.
CREATE TABLE installation (
  forge TEXT NOT NULL,
  instance TEXT NOT NULL,
  repository INTEGER NOT NULL REFERENCES repository (id),
  noted_at REAL NOT NULL,
  PRIMARY KEY (forge, instance, repository)
) STRICT, WITHOUT ROWID;

CREATE INDEX installation_repository ON installation (repository);
