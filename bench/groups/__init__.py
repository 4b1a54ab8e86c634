"""Consumer groups under load: commits of many groups, a large group that one leaves."""
