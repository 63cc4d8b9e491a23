-- Conditions for `posts`: those that wait and may be sent, final ones first, then what has waited longest.
-- The plus keeps to the index in this order: all that may be sent would have to be sorted else, texts included.
WHERE p.sent < p.version AND p.not_before IS NOT NULL AND +p.not_before <= :now
ORDER BY p.final DESC, p.waiting_since, p.not_before, p.id
LIMIT :limit
