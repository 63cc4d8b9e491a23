INSERT INTO build_event (id, derivation, at, state, failures, cause) VALUES (?, ?, ?, ?, ?, ?)
