"""The command line: one file per verb. Parse, call, print; no science, and heavy imports only inside the commands."""
