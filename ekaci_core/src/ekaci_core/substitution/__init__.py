"""What can be fetched instead of built: look-ups in the store and in binary caches, many at once."""

from ekaci_core.substitution.build_logs import FetchedLog
from ekaci_core.substitution.http import Patience
from ekaci_core.substitution.substitution import AskNix, Substitution, open_substitution

__all__ = ["AskNix", "FetchedLog", "Patience", "Substitution", "open_substitution"]
