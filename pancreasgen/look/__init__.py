"""What people see: previews of cases and pictures of ducts."""
