"""What ships with the core, registered through the same hooks and admitted by the same loader as any plugin."""
