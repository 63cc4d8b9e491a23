-- Whole derivations by number; ?1 is a JSON list of numbers.
SELECT id, path, inputs, system, outputs, name, pname, version, features, prefer_local
FROM derivation WHERE id IN (SELECT value FROM json_each(?1))
