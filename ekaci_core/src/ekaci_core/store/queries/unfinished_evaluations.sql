-- The unfinished evaluations of a key that have attributes to continue from, the last used first.
SELECT id, gc_roots, 0, used_at, 0
FROM evaluation
WHERE tree = :tree AND job = :job AND file = :file AND attr_path = :attr_path AND evaluator = :evaluator
  AND source_name = :source_name AND options = :options AND finished_at IS NULL
  AND EXISTS (SELECT 1 FROM attribute WHERE attribute.evaluation = evaluation.id)
ORDER BY used_at DESC, id DESC
