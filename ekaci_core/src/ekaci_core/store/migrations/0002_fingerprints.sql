-- Why: what the next evaluation reports in the same words is copied, not decoded and written again.
-- Readable by: 0.1 and newer.

-- Opaque, of the evaluator that reported it; null where it gave none, and for all that was stored before.
ALTER TABLE attribute ADD COLUMN fingerprint BLOB;
