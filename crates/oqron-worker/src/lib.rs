//! Claim, run and settle the jobs of Oqron.
