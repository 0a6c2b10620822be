"""What people do before a release: criteria, sealed test, report."""
