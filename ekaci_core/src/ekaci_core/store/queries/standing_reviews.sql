-- Conditions for `reviews`: those at a commit whose checks count there, the first first: what is live, and what is done
-- for a merge group or for a pull request that is open and still of this commit and this base.
WHERE v.repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path) AND v.head_sha = :sha
  AND v.occasion IN ('pull_request', 'merge_group')
  AND (v.state IN ('waiting', 'queued', 'evaluating', 'building', 'fault') OR v.state = 'done' AND NOT EXISTS (
    SELECT 1 FROM pull_request AS p
    WHERE p.repository = v.repository AND p.number = v.number AND v.occasion = 'pull_request'
      AND (p.state <> 'open' OR p.base <> v.base OR p.head_sha <> v.head_sha)
  ))
ORDER BY +v.id
