"""What the resolved renewals teach: a shrunk, non-negative, calibrated model of loss."""
