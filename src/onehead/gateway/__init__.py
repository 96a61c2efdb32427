"""The gateway: one OpenAI-compatible address in front of every model."""
