/* oqron:operate:topics
   Topics that have ever had a job, by name.
   $1 namespace */
select name from oqron.topics where namespace = $1 and has_jobs order by name
