-- An attribute of an evaluation; its metadata is stored already and found by digest.
INSERT OR REPLACE INTO attribute (evaluation, attr, derivation, meta, name, system, pname, version, fingerprint)
VALUES (?, ?, ?, (SELECT id FROM meta WHERE digest = ?), ?, ?, ?, ?, ?)
