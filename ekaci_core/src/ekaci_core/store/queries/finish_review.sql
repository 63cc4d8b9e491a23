-- A row comes back if it was live.
UPDATE review SET state = 'done', decision = :decision, detail = :detail, changed_at = :now
WHERE id = :id AND state IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
RETURNING id
