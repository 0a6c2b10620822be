"""One function per user action: where rooms and store are joined for people."""
