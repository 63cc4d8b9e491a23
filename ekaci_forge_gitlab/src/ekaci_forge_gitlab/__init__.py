"""GitLab for EkaCI. `ekaci_forge_gitlab.plugin` is the entry point."""
