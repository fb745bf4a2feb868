"""The core's quality checks as partitioned, blocking asset checks, and the gates that downstream assets ask for."""
