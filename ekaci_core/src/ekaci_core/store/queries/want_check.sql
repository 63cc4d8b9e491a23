-- A row comes back if this was not wanted already. What was given up is tried again. Writes count from the last end on.
INSERT INTO post (repository, sha, context, changed_at, waiting_since, final, body)
VALUES (:repository, :sha, :context, :now, :now, :final, :body)
ON CONFLICT (repository, sha, context) DO UPDATE
SET body = excluded.body, version = version + 1, changed_at = excluded.changed_at, final = excluded.final,
  waiting_since = iif(sent < version AND not_before IS NOT NULL, waiting_since, excluded.changed_at),
  not_before = coalesce(not_before, 0.0),
  writes = iif(post.final AND NOT excluded.final, 0, writes)
WHERE body <> excluded.body
RETURNING id
