"""Many jobs: how they are run side by side, proposed by a search, planned, shown and summed up. Imports no torch."""
