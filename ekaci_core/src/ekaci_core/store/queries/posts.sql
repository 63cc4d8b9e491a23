-- Posts with the names of their repositories; conditions and order follow.
SELECT r.forge, r.path, p.sha, p.context, p.body, p.id, p.version, p.sent, p.remote, p.writes, p.changed_at, p.sent_at,
  p.not_before, p.final, p.fault
FROM post AS p
CROSS JOIN repository AS r ON r.id = p.repository
