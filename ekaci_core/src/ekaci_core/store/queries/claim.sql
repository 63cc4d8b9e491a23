-- Take a lease that is free, has ended, or is one's own; no row comes back if another holds it.
INSERT INTO claim (derivation, worker, until) VALUES (:derivation, :worker, :until)
ON CONFLICT (derivation) DO UPDATE
SET worker = excluded.worker, until = excluded.until
WHERE claim.worker = excluded.worker OR claim.until <= :now
RETURNING worker
