"""The drop detector: days planned and sealed, alarms kept to their budget."""
