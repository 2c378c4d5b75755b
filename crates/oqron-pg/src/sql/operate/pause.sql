/* oqron:operate:pause
   Stops or allows the claims of a topic.
   $1 topic  $2 whether it is paused */
update oqron.topics set paused = $2 where id = $1
