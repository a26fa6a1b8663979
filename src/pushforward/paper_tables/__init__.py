"""Tables of papers, published beside reproduced: read from YAML, planned, run, compared, cited. Imports no torch."""
