"""Events: the envelope, and one module of facts for each publishing service."""
