"""The configuration: one TOML file, read into frozen dataclasses. Knows nothing of routers."""

from onehead.config.checks import check_config
from onehead.config.model import CAPABILITIES, ModelConfig
from onehead.config.parse import default_config, load_config, parse_config
from onehead.config.secret import Secret
from onehead.config.types import (
    Config,
    GatewayConfig,
    KeyConfig,
    RoutingConfig,
    StoreConfig,
    UpstreamConfig,
)

__all__ = [
    "CAPABILITIES",
    "Config",
    "GatewayConfig",
    "KeyConfig",
    "ModelConfig",
    "RoutingConfig",
    "Secret",
    "StoreConfig",
    "UpstreamConfig",
    "check_config",
    "default_config",
    "load_config",
    "parse_config",
]
