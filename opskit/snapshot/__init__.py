"""Sets: an environment's data at one moment, kept by restic, put back, and tried."""
