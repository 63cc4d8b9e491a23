-- Why: reviews of one commit for several pull requests share what a forge shows there.
-- Readable by: 0.1 and newer.

-- What one review wants to stand at its commit. `post` has what comes of all that count there. `body` is as in `post`.
CREATE TABLE review_check (
  review INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  context TEXT NOT NULL,
  changed_at REAL NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (review, context)
) STRICT, WITHOUT ROWID;

CREATE INDEX review_check_changed ON review_check (changed_at);
