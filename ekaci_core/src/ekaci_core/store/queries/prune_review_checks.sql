-- Of reviews that count nowhere any more. A row comes back for each.
DELETE FROM review_check WHERE (review, context) IN (
  SELECT c.review, c.context FROM review_check AS c
  CROSS JOIN review AS v ON v.id = c.review
  WHERE c.changed_at < :before AND v.state NOT IN ('waiting', 'queued', 'evaluating', 'building', 'fault')
    AND NOT EXISTS (
      SELECT 1 FROM pull_request AS p
      WHERE p.repository = v.repository AND p.number = v.number AND p.state = 'open' AND v.occasion = 'pull_request'
    )
  LIMIT :limit
)
RETURNING review
