"""Every method on the same pictures: `make bench-field`."""
