"""People who may sign in, and the guard that every connection gets while signing in is on."""
