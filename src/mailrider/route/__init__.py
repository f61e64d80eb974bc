"""From a next hop to servers in their order, and which of them comes next: decisions, and the questions they take."""
