"""GitHub for EkaCI: webhooks, check runs and clones through a GitHub App."""
