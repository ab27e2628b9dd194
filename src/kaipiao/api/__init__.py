"""HTTP for programs: one call per sale, clear answers, RFC 9457 problems in the caller's language."""
