"""HTTP for programs: one call per sale, clear answers, RFC 9457 problems in the caller's language.

`door` says who is let in and when; `sales`, `people` and the modules beside them are routes; `described` says what they answer.
"""
