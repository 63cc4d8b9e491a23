-- It is given up only if nothing else is wanted since that version was taken.
UPDATE post
SET fault = :fault, sent = iif(:forget, 0, sent), remote = iif(:forget, NULL, remote),
  not_before = coalesce(:not_before, iif(version > :version, 0.0, NULL))
WHERE id = :id
