"""Settings: how networks are trained, how a comparison is designed, and on what it is computed.
Without torch."""
