//! An embedded SQLite file as a backend of Oqron.
