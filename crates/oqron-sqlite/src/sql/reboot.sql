-- Ends everything that belonged to another boot of the machine.
-- Tables: jobs, locks, workers, waiters, watchers, machine. No inputs, returns nothing.
-- Keeps: a time on the boot clock is only ever compared with the boot that it was read in.
UPDATE jobs SET lease_ends_boot = 0 WHERE state = 2;
UPDATE locks SET ends_boot = 0;
DELETE FROM workers;
DELETE FROM waiters;
DELETE FROM watchers;
DELETE FROM machine;
