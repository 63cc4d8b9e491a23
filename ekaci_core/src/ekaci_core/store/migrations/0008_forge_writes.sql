-- Why: what a forge lets us write in an hour is counted across restarts of the server.
-- Readable by: 0.1 and newer.

-- `account` is the key of a `WriteBudget`, `at` when a write was about to be sent, in seconds since the epoch.
CREATE TABLE forge_write (
  account TEXT NOT NULL,
  at REAL NOT NULL
) STRICT;

CREATE INDEX forge_write_account ON forge_write (account, at);

-- Accounts that a forge asked to be left alone.
CREATE TABLE forge_pause (
  account TEXT PRIMARY KEY,
  until REAL NOT NULL
) STRICT, WITHOUT ROWID;
