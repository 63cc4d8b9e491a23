-- Reviews with the names of their repositories; conditions and order follow.
SELECT r.forge, r.path, v.id, v.occasion, v.number, v.base, v.base_sha, v.head_sha, v.ref, v.trusted, v.author, v.state,
  v.asked_at, v.changed_at, v.detail, v.round, v.decision
FROM review AS v
CROSS JOIN repository AS r ON r.id = v.repository
