"""Receiving servers, certificates and a DNS zone, for tests, the demo and benchmarks."""
