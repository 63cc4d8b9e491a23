"""Brings what was built to caches: what may go where, a queue of rows, and one loop for each cache.

Post-build hooks have a package of their own, `delivery.hooks`.
"""

from ekaci_core.delivery.auditing import Auditing
from ekaci_core.delivery.cache_pushes import PushParts
from ekaci_core.delivery.offering import Offering, ReviewPushes
from ekaci_core.delivery.policy import CacheRule, Origin, origin_of
from ekaci_core.delivery.pushing import CacheReport, OpenCache, Pushing
from ekaci_core.delivery.store_paths import NixPaths, PathStore

__all__ = [
    "Auditing",
    "CacheReport",
    "CacheRule",
    "NixPaths",
    "Offering",
    "OpenCache",
    "Origin",
    "PathStore",
    "PushParts",
    "Pushing",
    "ReviewPushes",
    "origin_of",
]
