-- Who holds these; ?1 is a JSON list of numbers.
SELECT derivation, worker FROM claim WHERE derivation IN (SELECT value FROM json_each(?1))
