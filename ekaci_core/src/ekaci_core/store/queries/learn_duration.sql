-- Three builds back counts for an eighth.
INSERT INTO duration (subject, seconds) VALUES (?1, ?2)
ON CONFLICT (subject) DO UPDATE SET seconds = (seconds + excluded.seconds) / 2
