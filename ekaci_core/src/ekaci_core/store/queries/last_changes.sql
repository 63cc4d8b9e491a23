-- The last event of each build; ?1 is a JSON list of numbers. Events have no index by derivation, which would cost every
-- transition more than it saves here: they are read once, newest last.
SELECT derivation, at, cause
FROM build_event
WHERE id IN (
  SELECT max(id) FROM build_event WHERE derivation IN (SELECT value FROM json_each(?1)) GROUP BY derivation
)
