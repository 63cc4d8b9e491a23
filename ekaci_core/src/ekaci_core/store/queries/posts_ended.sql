-- Conditions for `posts`: the ends of what the forge shows as running, which may be sent.
WHERE p.sent < p.version AND p.not_before IS NOT NULL AND +p.not_before <= :now AND p.final = 1 AND p.sent > 0
ORDER BY p.waiting_since, p.not_before, p.id
LIMIT :limit
