INSERT INTO review_check (review, context, changed_at, body) VALUES (:review, :context, :now, :body)
ON CONFLICT (review, context) DO UPDATE SET changed_at = excluded.changed_at, body = excluded.body
