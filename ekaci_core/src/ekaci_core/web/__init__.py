"""HTTP: what forges call, and what operators' machines ask."""

from ekaci_core.web.app import web_app
from ekaci_core.web.front import Front
from ekaci_core.web.health import Readiness, health_routes, store_check
from ekaci_core.web.pulse import Pulse
from ekaci_core.web.serving import WebServer
from ekaci_core.web.webhooks import Webhooks

__all__ = ["Front", "Pulse", "Readiness", "WebServer", "Webhooks", "health_routes", "store_check", "web_app"]
