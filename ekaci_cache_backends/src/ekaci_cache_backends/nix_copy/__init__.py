"""The cache type ``nix-copy``: what Nix itself knows as destinations of ``nix copy``."""
