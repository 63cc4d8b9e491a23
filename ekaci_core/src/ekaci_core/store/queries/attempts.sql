-- All attempts at each derivation in order; ?1 is a JSON list of short paths.
SELECT a.id, d.path, a.builder, a.started_at, a.log_path, a.ended_at, a.exit_status, a.outcome, a.reason
FROM derivation AS d
JOIN attempt AS a ON a.derivation = d.id
WHERE d.path IN (SELECT value FROM json_each(?1))
ORDER BY a.id
