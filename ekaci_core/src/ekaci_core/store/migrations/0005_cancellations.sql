-- Why: somebody can ask, from another process, that a build that waits or runs is given up.
-- Readable by: 0.1 and newer.

-- Numbers are never used twice: a scheduler obeys those that came after the last one that it has seen.
CREATE TABLE cancellation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  derivation INTEGER NOT NULL REFERENCES derivation (id),
  at REAL NOT NULL
) STRICT;
