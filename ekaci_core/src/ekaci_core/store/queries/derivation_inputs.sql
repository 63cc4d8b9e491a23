-- Edges by number; ?1 is a JSON list of numbers.
SELECT id, inputs FROM derivation WHERE id IN (SELECT value FROM json_each(?1))
