"""Postfix lookup tables behind one interface."""
