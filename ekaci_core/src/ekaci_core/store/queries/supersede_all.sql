-- Of several live reviews of one pull request, all but the one asked for last.
UPDATE review SET state = 'superseded', detail = ''
WHERE repository = :new AND occasion = 'pull_request'
  AND state IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
  AND EXISTS (
    SELECT 1 FROM review AS newer
    WHERE newer.repository = review.repository AND newer.number = review.number AND newer.occasion = 'pull_request'
      AND newer.state IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
      AND (newer.asked_at, newer.id) > (review.asked_at, review.id)
  )
