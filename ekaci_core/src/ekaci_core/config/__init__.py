"""Configuration: read strictly, every mistake reported with its address."""
