"""EkaCI's core: should this change to a Nix repository be merged?"""

__version__ = "0.1.0"
