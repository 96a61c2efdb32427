"""The dashboard at /ui/: what was asked, chosen, spent and saved, and why. Server-rendered pages."""

from onehead.dashboard.routes import routes

__all__ = ["routes"]
