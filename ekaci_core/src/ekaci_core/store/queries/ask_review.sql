-- A row comes back if it is new, or if it was superseded or closed and is asked for again.
INSERT INTO review (
  repository, occasion, number, base, base_sha, head_sha, ref, trusted, author, state, asked_at, changed_at
) VALUES (
  :repository, :occasion, :number, :base, :base_sha, :head_sha, :ref, :trusted, :author, :state, :now, :now
)
ON CONFLICT (repository, head_sha, occasion, number, base) DO UPDATE
SET base_sha = excluded.base_sha, ref = excluded.ref, trusted = excluded.trusted, author = excluded.author,
  state = excluded.state, asked_at = excluded.asked_at, changed_at = excluded.changed_at, detail = '',
  round = round + 1, decision = NULL
WHERE review.state IN ('superseded', 'closed')
RETURNING id, round
