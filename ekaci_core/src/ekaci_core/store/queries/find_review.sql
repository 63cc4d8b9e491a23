-- The review of a wish.
SELECT id FROM review
WHERE repository = :repository AND head_sha = :head_sha AND occasion = :occasion AND number = :number AND base = :base
