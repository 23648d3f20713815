"""The HTTP door of health."""
