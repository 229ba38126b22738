CREATE TEMPORARY TABLE `boardings__enter` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `distance` BIGINT,
  `sched_dep` BIGINT,
  `hour` BIGINT,
  `move__time_ms` AS `event_time_ms`,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms`, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` - 60000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'boardings',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '1',
  'format' = 'avro',
  'scan.bounded.mode' = 'specific-offsets',
  'scan.bounded.specific-offsets' = 'partition:0,offset:100;partition:1,offset:70'
);

CREATE TEMPORARY TABLE `boardings__leave_14400000` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `distance` BIGINT,
  `sched_dep` BIGINT,
  `hour` BIGINT,
  `move__time_ms` AS `event_time_ms` + 14400000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 14400000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 14340000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'boardings',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '1',
  'format' = 'avro',
  'scan.bounded.mode' = 'specific-offsets',
  'scan.bounded.specific-offsets' = 'partition:0,offset:100;partition:1,offset:70'
);

CREATE TEMPORARY TABLE `origin_boardings_4h__history` (
  `origin` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `origin_boardings_4h_count` BIGINT NOT NULL
) WITH (
  'connector' = 'filesystem',
  'path' = 'file:///offline/directory',
  'format' = 'parquet'
);

SELECT `origin`, `window_end_ms`, `origin_boardings_4h_count`
FROM `origin_boardings_4h__changes`
WHERE `origin` IS NOT NULL
  AND `window_end_ms` <= 1388361540000;

