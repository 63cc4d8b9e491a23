-- All evaluations, the last used first. An unfinished one is obsolete if it has nothing to continue from or for.
SELECT id, gc_roots, finished_at IS NOT NULL, used_at,
  finished_at IS NULL AND (
    NOT EXISTS (SELECT 1 FROM attribute WHERE attribute.evaluation = each.id)
    OR EXISTS (
      SELECT 1 FROM evaluation AS other
      WHERE (other.tree, other.job, other.file, other.attr_path, other.evaluator, other.source_name, other.options)
          = (each.tree, each.job, each.file, each.attr_path, each.evaluator, each.source_name, each.options)
        AND other.finished_at IS NOT NULL
    )
  )
FROM evaluation AS each
ORDER BY used_at DESC, id DESC
