-- What was wanted meanwhile waits from now on.
UPDATE post
SET sent = max(sent, :version), remote = :remote, writes = writes + 1, sent_at = :now, waiting_since = :now, fault = '',
  not_before = 0.0
WHERE id = :id
