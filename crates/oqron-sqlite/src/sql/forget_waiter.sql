-- oqron:shared:forget_waiter
-- Ends the waiting, for every topic, of a worker whose mailbox is dead.
-- ?1 the mailbox. Tables: waiters, workers. Returns nothing.
-- Keeps: who takes a wake-up reads it.
DELETE FROM waiters WHERE worker IN (SELECT worker FROM workers WHERE mailbox = ?1)
