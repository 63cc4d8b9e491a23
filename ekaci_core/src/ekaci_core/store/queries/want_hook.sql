-- Queue a run of a hook, once for a review, and not where it was run already since the derivation was built.
INSERT INTO hook_execution
  (review, repository, derivation, origin, hook, fod, job, branch, sha, definition, state, asked_at)
SELECT :review, :repository, :derivation, :origin, :hook, :fod, :job, :branch, :sha, :definition, 'queued', :now
WHERE NOT EXISTS (
  SELECT 1 FROM hook_execution AS e
  WHERE e.derivation = :derivation AND e.hook = :hook AND e.origin = :origin AND e.repository = :repository
    AND e.asked_at >= :built_at AND e.state <> 'refused'
)
ON CONFLICT (review, origin, hook, derivation) DO NOTHING
RETURNING id
