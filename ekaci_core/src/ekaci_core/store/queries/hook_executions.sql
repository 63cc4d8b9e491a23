-- Runs of hooks with what they are of; conditions and order follow.
SELECT e.id, e.review, r.forge, r.path, d.path, e.origin, e.hook, e.fod, e.job, e.branch, e.sha, e.definition, e.state,
  e.asked_at, e.started_at, e.ended_at, e.exit_status, e.attempts, e.deaths, e.log_path, e.reason
FROM hook_execution AS e
CROSS JOIN repository AS r ON r.id = e.repository
CROSS JOIN derivation AS d ON d.id = e.derivation
