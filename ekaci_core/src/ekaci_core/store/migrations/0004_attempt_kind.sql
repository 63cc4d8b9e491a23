-- Why: an attempt that ended for a reason that may pass by itself says nothing of the build, and is told from those that do.
-- Readable by: 0.1 and newer.

-- A `TransientKind`, null for every other end.
ALTER TABLE attempt ADD COLUMN kind TEXT;
