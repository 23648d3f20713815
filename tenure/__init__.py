"""The command: run a service, the whole stack on one machine, and the demo."""
