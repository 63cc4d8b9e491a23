-- Builds in the states ?1, a JSON list.
SELECT derivation, state, failures, blockers
FROM build
WHERE state IN (SELECT value FROM json_each(?1))
ORDER BY derivation
