"""The credential source ``systemd-credential``: what the unit was given."""
