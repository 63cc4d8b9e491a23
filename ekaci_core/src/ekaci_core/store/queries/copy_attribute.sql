-- An attribute of an evaluation as it is in another one; nothing happens where that has none of this path.
INSERT OR REPLACE INTO attribute (evaluation, attr, derivation, meta, name, system, pname, version, fingerprint)
SELECT ?1, attr, derivation, meta, name, system, pname, version, fingerprint
FROM attribute WHERE evaluation = ?2 AND attr = ?3
