-- What the attempts at each derivation came to, in order, of those with a failure; ?1 is a JSON list of short paths,
-- ?2 one of states that are failures.
SELECT d.path, a.outcome
FROM derivation AS d
JOIN attempt AS a ON a.derivation = d.id
WHERE d.path IN (SELECT value FROM json_each(?1))
AND EXISTS (SELECT 1 FROM attempt WHERE derivation = d.id AND outcome IN (SELECT value FROM json_each(?2)))
ORDER BY a.id
