-- States of builds by number; ?1 is a JSON list of numbers.
SELECT derivation, state, failures FROM build WHERE derivation IN (SELECT value FROM json_each(?1))
