-- Commits of pull requests that a forge told of lately, as far as something else is reviewed there as well.
SELECT DISTINCT r.forge, r.path, v.head_sha
FROM pull_request AS p
CROSS JOIN review AS v ON v.repository = p.repository AND v.number = p.number
CROSS JOIN repository AS r ON r.id = v.repository
WHERE p.updated_at >= :updated_since AND p.noted_at >= :since AND v.occasion = 'pull_request' AND EXISTS (
  SELECT 1 FROM review AS other
  WHERE other.repository = v.repository AND other.head_sha = v.head_sha
    AND other.occasion IN ('pull_request', 'merge_group')
    AND (other.occasion <> v.occasion OR other.number <> v.number)
)
