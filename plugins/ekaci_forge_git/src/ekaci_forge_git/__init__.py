"""Any repository that git can fetch, as a forge for EkaCI."""
