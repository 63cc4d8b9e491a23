"""The cache type ``cachix``: caches at Cachix."""
