"""One folder per service, the same rooms in each; no service imports another."""
