"""Pages of the documentation's site that are written from the code when it is built."""
