-- Short paths of what has this hash: in the usual store directory, where the index finds it, or in another one.
SELECT path FROM derivation WHERE path > ?1 || '-' AND path < ?1 || '.'
UNION ALL
SELECT path FROM derivation WHERE path > '/' AND path < '0' AND instr(path, '/' || ?1 || '-') > 0
