-- The newest attempt at each derivation that somebody has a lease on, where it has no end.
SELECT a.id, d.path, a.builder, a.started_at, a.log_path, a.ended_at, a.exit_status, a.outcome, a.reason, a.kind
FROM claim AS c
JOIN derivation AS d ON d.id = c.derivation
JOIN attempt AS a ON a.id = (SELECT max(id) FROM attempt WHERE derivation = d.id)
WHERE a.ended_at IS NULL
ORDER BY a.id
