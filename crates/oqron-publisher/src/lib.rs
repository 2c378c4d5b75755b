//! Push jobs into Oqron and follow them; no worker code.
