"""From what forges tell to what the server does: deliveries, decisions, commands."""

from ekaci_core.intake.applying import Commands
from ekaci_core.intake.intake import Intake
from ekaci_core.intake.policy import IntakePolicy

__all__ = ["Commands", "Intake", "IntakePolicy"]
