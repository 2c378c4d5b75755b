-- As turn_kept.sql, but what has ended is deleted.
with ended as (
    delete from jobs where topic = 1 and id = any (:ids::text[]) and state = 2
), chosen as (
    select topic, id from jobs where topic = 1 and state = 1
    order by priority, seq limit :batch for update skip locked
), claimed as (
    update jobs j
    set state = 2, token = nextval('tokens'), worker = 'limit', lease_until = clock_timestamp() + interval '30 s'
    from chosen c where j.topic = c.topic and j.id = c.id
    returning j.id, j.payload
)
select coalesce(array_agg(id), '{}') as ids, count(payload) as claimed from claimed \gset
