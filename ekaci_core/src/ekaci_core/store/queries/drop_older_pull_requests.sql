-- What is known of a pull request under the new name and was told earlier than what is known under the old one.
DELETE FROM pull_request
WHERE repository = :new AND updated_at < (
  SELECT old.updated_at FROM pull_request AS old WHERE old.repository = :old AND old.number = pull_request.number
)
