-- Pull requests with the names of both repositories; conditions and order follow.
SELECT r.forge, r.path, p.number, p.title, p.login, p.author, p.state, p.draft, p.base, p.base_sha, p.head, p.head_sha,
  h.forge, h.path, p.updated_at
FROM pull_request AS p
CROSS JOIN repository AS r ON r.id = p.repository
LEFT JOIN repository AS h ON h.id = p.head_repository
