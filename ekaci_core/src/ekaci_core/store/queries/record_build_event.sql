INSERT INTO build_event (derivation, at, state, failures, cause) VALUES (?, ?, ?, ?, ?)
