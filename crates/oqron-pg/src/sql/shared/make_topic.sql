/* oqron:records:make_topic
   The number of a topic, which is made if it is new.
   $1 namespace  $2 name
   Returns one row. */
select oqron.topic_id($1, $2) as id
