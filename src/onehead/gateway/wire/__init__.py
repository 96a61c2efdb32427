"""What passes through the gateway: request bodies, options, events and usage. No sockets here."""

from onehead.gateway.wire.body import Body
from onehead.gateway.wire.options import Options, auto_options, options_of
from onehead.gateway.wire.prompt import Asked, asked_of
from onehead.gateway.wire.usage import Usage, document_of, usage_of

__all__ = [
    "Asked",
    "Body",
    "Options",
    "Usage",
    "asked_of",
    "auto_options",
    "document_of",
    "options_of",
    "usage_of",
]
