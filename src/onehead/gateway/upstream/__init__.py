"""Calls to the models' upstreams: limits in time, retries, fall-through, breakers and hedging.

- `target`: one model's URLs, headers and limits, prepared
- `call`: one HTTP call; `direct` sends it, `watch` times its pieces, `verdict` says what an error means
- `gate`: places for calls
- `attempts`: a plan of models, walked until one answers; `summary` tells why none did
- `translator`: a model that a library calls; `translated`: one such call; `library_errors`
- `relay`: a stream on its way to the client
- `breaker`: when a model is left alone; `hedge`: a second model beside a slow one
- `demo`: answers without sockets
"""

from __future__ import annotations

from onehead.gateway.upstream.answer import AllFailed, Answer, Attempt, StreamBroken
from onehead.gateway.upstream.upstreams import ModelStats, Upstreams

__all__ = ["AllFailed", "Answer", "Attempt", "ModelStats", "StreamBroken", "Upstreams"]
