"""The plugin: entry point ``credentials-aws``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import CredentialType
from ekaci_core.hookspecs import hookimpl
from ekaci_credentials_aws.instance import InstanceMetadataType
from ekaci_credentials_aws.profile import AwsProfileType
from ekaci_credentials_aws.secrets_manager import AwsSecretsManagerType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_credential_types() -> Iterable[CredentialType]:
    """Return the sources of AWS and of the metadata services."""
    return (AwsSecretsManagerType(), AwsProfileType(), InstanceMetadataType())
