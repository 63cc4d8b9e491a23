INSERT INTO evaluation
  (tree, job, file, attr_path, evaluator, source_name, options, gc_roots, started_at, used_at)
VALUES (:tree, :job, :file, :attr_path, :evaluator, :source_name, :options, :gc_roots, :now, :now)
