"""Credential sources of AWS, and the metadata services of three clouds."""
