-- Other live reviews of the same pull request.
UPDATE review SET state = 'superseded', detail = '', changed_at = :now
WHERE repository = :repository AND number = :number AND occasion = 'pull_request' AND id <> :id
  AND state IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
