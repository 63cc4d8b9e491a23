-- Why: when and why a build came to its state is asked for few builds among millions of events; an index over these would
-- cost every transition.
-- Readable by: 0.1 and newer.

-- The number of its last event; null only where there is none.
ALTER TABLE build ADD COLUMN event INTEGER;
UPDATE build SET event = last.id
FROM (SELECT derivation, max(id) AS id FROM build_event GROUP BY derivation) AS last
WHERE last.derivation = build.derivation;
