INSERT INTO build (derivation, state, failures, blockers, event) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (derivation) DO UPDATE
SET state = excluded.state, failures = excluded.failures, blockers = excluded.blockers, event = excluded.event
