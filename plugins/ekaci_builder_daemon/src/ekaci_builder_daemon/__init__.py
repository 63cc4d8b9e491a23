"""The builder type ``daemon``: this machine's Nix daemon, by its own protocol."""
