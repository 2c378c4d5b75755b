/* oqron:consume:missed
   After registering: wakes a waiter if a job came between the claim and the registration.
   $1 topic  $2 to $4 ranges of the index of added jobs, as for a claim  $5 when this worker will look by itself, or null */
select case
    when exists (select from oqron.topics where id = $1 and paused) then null
    when exists (select from oqron.jobs where topic = $1 and state = 1 and lane < 2)
      or exists (
          select from unnest($2::integer[], $3::bigint[], $4::integer[]) as r(from_priority, from_seq, to_priority)
          cross join lateral (
              select 1 from oqron.jobs j
              where j.topic = $1 and j.state = 1 and j.lane = 2
                and (j.priority, j.seq) >= (r.from_priority, r.from_seq) and j.priority <= r.to_priority
              order by j.priority, j.seq limit 1) free)
      or exists (select from oqron.jobs where topic = $1 and state = 0 and run_at < coalesce($5, 9223372036854775807)
                 and run_at > oqron.now_ms() - 1000)
    then oqron.wake($1, 1, null, 0, null) end as mark
