"""Algorithms over derivations: pure functions on compact graphs."""
