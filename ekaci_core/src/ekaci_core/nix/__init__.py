"""Nix, seen from outside: what it prints and writes, read without I/O, and the programs that make it do so."""
