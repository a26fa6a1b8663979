"""Mathematics wanted by losses and metrics alike. Each estimator exists once."""
