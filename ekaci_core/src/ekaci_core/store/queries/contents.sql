SELECT attr, derivation, name, system, meta, pname, version FROM attribute WHERE evaluation = ?
