-- The limit of adding 1,000 at once: arrays, one statement, one commit. The arrays are made by the server, because pgbench
-- cannot send any.
insert into jobs (id, payload)
select id, payload::bytea
from unnest(array(select gen_random_uuid()::text from generate_series(1, 1000)),
            array(select '{"videoId":"vid_1","s3ResourceUri":"s3://bucket/source/file.mov","codec":"hevc","bitrate":4500}'
                  from generate_series(1, 1000))) as given (id, payload);
