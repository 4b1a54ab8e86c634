"""Faults for a lab: inject, heal, describe. README.md says how; catalogue.py lists them."""
