//! Redis as a backend of Oqron.
