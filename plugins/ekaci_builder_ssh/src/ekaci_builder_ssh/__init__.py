"""The builder type ``ssh``: other machines, by Nix's own remote building."""
