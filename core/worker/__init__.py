"""The worker: claims jobs and runs them; where rooms and store are joined for the machine."""
