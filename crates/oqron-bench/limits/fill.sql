-- Waiting jobs for the turns: :jobs of them.
insert into jobs (id, payload)
select gen_random_uuid()::text, '{"videoId":"vid_1","s3ResourceUri":"s3://bucket/source/file.mov","codec":"hevc","bitrate":4500}'
from generate_series(1, :jobs);
vacuum analyze jobs;
