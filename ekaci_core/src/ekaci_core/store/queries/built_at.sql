-- When each of these was last built; ?1 is a JSON list of numbers, ?2 the state of a success.
SELECT a.derivation, max(a.ended_at)
FROM attempt AS a
WHERE a.derivation IN (SELECT value FROM json_each(?1)) AND a.outcome = ?2 AND a.ended_at IS NOT NULL
GROUP BY a.derivation
