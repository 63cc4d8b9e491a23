"""The contracts as tests: inherit a conformance class, give it your object, and run pytest.

Needs the extra ``testing`` of the distribution. Each kit is a module of its own: import the class from there.
"""

from __future__ import annotations

import pkgutil

import pytest

# Before any of them is imported, so that a third party's failing assertions show what was compared.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
