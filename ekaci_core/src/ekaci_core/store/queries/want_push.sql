-- What is there already stays as it is. What failed is tried again for another review: the same one asks several times.
INSERT INTO push (cache, path, derivation, repository, review, state, asked_at, changed_at)
VALUES (:cache, :path, :derivation, :repository, :review, 'pending', :now, :now)
ON CONFLICT (cache, path) DO UPDATE SET
  derivation = excluded.derivation, repository = excluded.repository, review = excluded.review, state = 'pending',
  attempts = 0, not_before = 0.0, reason = '', asked_at = :now, changed_at = :now, first_tried_at = NULL
WHERE state = 'failed' AND review IS NOT excluded.review
RETURNING id
