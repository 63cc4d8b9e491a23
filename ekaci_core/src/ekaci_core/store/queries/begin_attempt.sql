INSERT INTO attempt (derivation, builder, started_at, log_path) VALUES (?, ?, ?, ?)
