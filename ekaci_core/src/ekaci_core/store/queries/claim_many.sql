-- Take the leases that are free, have ended, or are one's own; :numbers is a JSON list.
INSERT INTO claim (derivation, worker, until)
SELECT value, :worker, :until FROM json_each(:numbers) WHERE true
ON CONFLICT (derivation) DO UPDATE
SET worker = excluded.worker, until = excluded.until
WHERE claim.worker = excluded.worker OR claim.until <= :now OR claim.until > :now + 10 * (:until - :now)
