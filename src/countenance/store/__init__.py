"""The store: enrolments, sessions, keys and the audit log, in SQLite or PostgreSQL."""
