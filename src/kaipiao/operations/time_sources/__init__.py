"""Where the true time is asked for: the kernel's own discipline, time servers, the bureau's answers."""
