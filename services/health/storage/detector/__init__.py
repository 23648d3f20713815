"""What the detector knows: of accounts, of their days, of their peers."""
