"""Gitea and Forgejo as a forge of EkaCI."""
