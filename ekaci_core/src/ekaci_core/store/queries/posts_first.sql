-- Conditions for `posts`: the first words of a review, which may be sent. Until they stand, a verdict of before may.
WHERE p.sent < p.version AND p.not_before IS NOT NULL AND +p.not_before <= :now AND p.final = 0 AND p.writes = 0
ORDER BY p.waiting_since, p.not_before, p.id
LIMIT :limit
