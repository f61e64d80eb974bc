"""Questions to the DNS and to the hosts file: one interface, several fillings."""
