-- A row comes back unless newer news is stored already.
INSERT INTO pull_request (
  repository, number, title, login, author, state, draft, base, base_sha, head, head_sha, head_repository, updated_at,
  noted_at
) VALUES (
  :repository, :number, :title, :login, :author, :state, :draft, :base, :base_sha, :head, :head_sha, :head_repository,
  :updated_at, :now
)
ON CONFLICT (repository, number) DO UPDATE
SET title = excluded.title, login = excluded.login, author = excluded.author, state = excluded.state,
  draft = excluded.draft, base = excluded.base, base_sha = excluded.base_sha, head = excluded.head,
  head_sha = excluded.head_sha, head_repository = excluded.head_repository, updated_at = excluded.updated_at,
  noted_at = excluded.noted_at
WHERE excluded.updated_at >= pull_request.updated_at
RETURNING number
