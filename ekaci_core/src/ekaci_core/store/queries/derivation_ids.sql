-- Numbers of those of the given paths that are stored; ?1 is a JSON list of short paths.
SELECT path, id FROM derivation WHERE path IN (SELECT value FROM json_each(?1))
