"""What tests/xen/run is made of; each module says its part in its first line."""
