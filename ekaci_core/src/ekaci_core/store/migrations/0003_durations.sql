-- Why: what takes long should begin early, and a derivation that was never built is much like its predecessor.
-- Readable by: 0.1 and newer.

-- `subject` is platform and name without version; `seconds` a moving average of builds that succeeded.
CREATE TABLE duration (
  subject TEXT PRIMARY KEY,
  seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
