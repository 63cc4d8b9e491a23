"""Binary caches that EkaCI pushes to."""
