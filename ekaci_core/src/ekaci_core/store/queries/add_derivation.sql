INSERT INTO derivation (id, path, inputs, system, outputs, name, pname, version, features, prefer_local)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
