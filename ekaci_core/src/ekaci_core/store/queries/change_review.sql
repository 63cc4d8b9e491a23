-- A row comes back if the state was one of those expected.
UPDATE review SET state = :state, detail = :detail, changed_at = :now
WHERE id = :id AND state IN (SELECT value FROM json_each(:expected))
RETURNING id
