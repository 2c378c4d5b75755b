/* oqron:consume:can_look
   Whether this user may see who is present, which is everybody's right unless somebody took it away.
   Returns one row. */
select has_table_privilege('pg_catalog.pg_locks', 'select')
       and has_function_privilege('pg_catalog.pg_lock_status()', 'execute')
       and has_function_privilege('pg_catalog.pg_postmaster_start_time()', 'execute') as can_look
