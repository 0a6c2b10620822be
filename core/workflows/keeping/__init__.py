"""What keeps a workspace: its record, its verification, backups."""
