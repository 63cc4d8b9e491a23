-- The last event of each build; ?1 is a JSON list of numbers.
SELECT build.derivation, event.at, event.cause
FROM build JOIN build_event AS event ON event.id = build.event
WHERE build.derivation IN (SELECT value FROM json_each(?1))
