"""Composition: the only place where objects are made and started."""
