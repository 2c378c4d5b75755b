/* oqron:consume:topic_name
   The name of a topic's number.
   $1 topic
   Returns one row or none. */
select name from oqron.topics where id = $1
