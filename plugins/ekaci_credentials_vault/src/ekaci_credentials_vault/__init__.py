"""The credential source ``vault``: secrets from HashiCorp Vault and OpenBao."""
