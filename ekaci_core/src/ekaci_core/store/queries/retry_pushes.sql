UPDATE push SET state = 'pending', attempts = 0, not_before = 0.0, reason = '', asked_at = :now, changed_at = :now,
  first_tried_at = NULL
WHERE state = 'failed' AND (:cache IS NULL OR cache = :cache) AND (:id IS NULL OR id = :id)
RETURNING id
