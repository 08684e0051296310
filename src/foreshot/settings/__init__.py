"""Settings: what is asked for, as frozen, validated values."""
