"""The ingest door: what product backends send, on every path their SDKs know."""
