"""Credential sources that need nothing but this machine."""

from ekaci_core.builtin.credentials.app_key_file import GithubAppKeyFileType
from ekaci_core.builtin.credentials.cachix_token import CachixTokenType
from ekaci_core.builtin.credentials.env import EnvType
from ekaci_core.builtin.credentials.file import FileType
from ekaci_core.builtin.credentials.nothing import NoneType

__all__ = ["CachixTokenType", "EnvType", "FileType", "GithubAppKeyFileType", "NoneType"]
