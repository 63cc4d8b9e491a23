-- Pushes with the names of their repositories; conditions and order follow.
SELECT p.cache, p.path, p.derivation, r.forge, r.path, p.review, p.id, p.state, p.attempts, p.not_before, p.reason,
  p.asked_at, p.changed_at, p.first_tried_at, p.sent_bytes
FROM push AS p JOIN repository AS r ON r.id = p.repository
