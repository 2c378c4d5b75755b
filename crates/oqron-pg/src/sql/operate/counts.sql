/* oqron:operate:counts
   Jobs in each state, at one moment.
   $1 topic
   Returns one row for each state that has jobs, and one with the state -1 whose count is 1 if the topic is paused. */
select state, count(*) as jobs from oqron.jobs where topic = $1 group by state
union all
select state, count(*) from oqron.finished where topic = $1 group by state
union all
select -1::smallint, 1 from oqron.topics where id = $1 and paused
