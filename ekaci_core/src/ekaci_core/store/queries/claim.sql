-- Take a lease that is free, has ended, or is one's own; no row comes back if another holds it.
-- One that ends much later than ours is from before the clock was set back: who lives has renewed it by now.
INSERT INTO claim (derivation, worker, until) VALUES (:derivation, :worker, :until)
ON CONFLICT (derivation) DO UPDATE
SET worker = excluded.worker, until = excluded.until
WHERE claim.worker = excluded.worker OR claim.until <= :now OR claim.until > :now + 10 * (:until - :now)
RETURNING worker
