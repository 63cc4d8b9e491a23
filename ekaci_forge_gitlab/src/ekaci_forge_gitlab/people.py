"""Accounts that are no persons. Pure."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.api import Person

# https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
# https://docs.gitlab.com/user/profile/service_accounts/
_BOT: Final = re.compile(r"(project|group)_[0-9]+_bot(_[0-9a-f]+)?[0-9]*|service_account_.+")


def is_bot(person: Person) -> bool:
    """Whether an account is that of an access token, or a service account."""
    return _BOT.fullmatch(person.login) is not None
