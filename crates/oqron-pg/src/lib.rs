//! PostgreSQL as a backend of Oqron.
