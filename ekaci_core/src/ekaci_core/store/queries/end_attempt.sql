UPDATE attempt SET ended_at = :now, exit_status = :exit_status, outcome = :outcome, reason = :reason, kind = :kind
WHERE id = :id
