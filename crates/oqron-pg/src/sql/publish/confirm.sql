-- Waits until the standbys that commits wait for have everything that was committed before.
--
-- An add that is repeated finds its job, writes nothing, and so waits for nobody; but the job may be there because a commit
-- was cut off while it waited. This writes a message that nobody reads, so that the commit of it waits.
-- Inputs: none. Answer: nothing of use. Where no standby is waited for, nothing is written.
select pg_logical_emit_message(true, 'oqron', '')
where current_setting('synchronous_standby_names') <> '';
