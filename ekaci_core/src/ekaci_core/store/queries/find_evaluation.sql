-- The newest finished evaluation of a key.
SELECT id, finished_at, gc_roots, finished_at - started_at
FROM evaluation
WHERE tree = :tree AND job = :job AND file = :file AND attr_path = :attr_path AND evaluator = :evaluator
  AND source_name = :source_name AND options = :options AND finished_at IS NOT NULL
ORDER BY finished_at DESC, id DESC
LIMIT 1
