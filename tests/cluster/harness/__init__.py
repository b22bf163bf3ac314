"""A real single-node Kubernetes inside one Debian machine, for the tests."""
