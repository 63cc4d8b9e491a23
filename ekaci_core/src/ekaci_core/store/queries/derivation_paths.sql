-- Short paths by number; ?1 is a JSON list of numbers.
SELECT id, path FROM derivation WHERE id IN (SELECT value FROM json_each(?1))
