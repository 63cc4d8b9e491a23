SELECT d.path, b.state, b.failures, b.blockers
FROM build AS b JOIN derivation AS d ON d.id = b.derivation
WHERE d.path IN (SELECT value FROM json_each(?1))
