-- Audit records with the names of their repositories; conditions and order follow.
SELECT a.id, a.at, a.event, a.subject, r.forge, r.path, a.derivation, a.path, a.outcome, a.detail
FROM audit_record AS a LEFT JOIN repository AS r ON r.id = a.repository
