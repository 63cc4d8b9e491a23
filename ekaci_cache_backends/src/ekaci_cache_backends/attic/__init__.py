"""The cache type ``attic``: caches of Attic servers."""
