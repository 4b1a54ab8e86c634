"""The three-site lab on one machine: see README.md beside this file."""
