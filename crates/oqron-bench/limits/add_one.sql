-- The limit of an add on PostgreSQL: one row, one commit.
insert into jobs (id, payload)
values (gen_random_uuid()::text, '{"videoId":"vid_1","s3ResourceUri":"s3://bucket/source/file.mov","codec":"hevc","bitrate":4500}');
