"""A git repository, through the git command."""

from __future__ import annotations

from ekaci_core.git.checkout import checkout, prune_stale
from ekaci_core.git.endpoints import Endpoints, review_endpoints
from ekaci_core.git.repository import Repository, open_repository

__all__ = ["Endpoints", "Repository", "checkout", "open_repository", "prune_stale", "review_endpoints"]
