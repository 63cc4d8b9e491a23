-- One that has ended, unless nobody wants it any more.
UPDATE review SET state = 'queued', round = round + 1, decision = NULL, detail = '', asked_at = :now, changed_at = :now
WHERE id = :id AND state IN ('done', 'not_configured')
RETURNING id
