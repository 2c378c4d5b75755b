/* oqron:records:topic
   The number of a topic.
   $1 namespace  $2 name
   Returns one row, or none if nobody has named the topic yet. */
select id from oqron.topics where namespace = $1 and name = $2
