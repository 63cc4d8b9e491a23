-- Conditions for `reviews`: those that are live, the first asked for first.
WHERE v.state IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
ORDER BY v.asked_at, v.id
