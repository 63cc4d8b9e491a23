SELECT path FROM derivation WHERE id IN (SELECT derivation FROM attribute WHERE evaluation = ?)
