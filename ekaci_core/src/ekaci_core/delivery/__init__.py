"""Brings what was built to others: post-build hooks."""
