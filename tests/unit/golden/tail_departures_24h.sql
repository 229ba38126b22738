CREATE TEMPORARY TABLE `departures__enter` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `sched_dep` BIGINT,
  `dep_delay` BIGINT,
  `late` BOOLEAN,
  `hour` BIGINT,
  `move__time_ms` AS `event_time_ms`,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms`, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` - 60000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'departures',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'departures',
  'scan.watermark.alignment.max-drift' = '86400000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY TABLE `departures__leave_86400000` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `sched_dep` BIGINT,
  `dep_delay` BIGINT,
  `late` BOOLEAN,
  `hour` BIGINT,
  `move__time_ms` AS `event_time_ms` + 86400000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 86400000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 86340000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'departures',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'departures',
  'scan.watermark.alignment.max-drift' = '172800000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY VIEW `tail_departures_24h__moves` AS
SELECT `tailnum`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `all__rows`,
  CAST(`event_time_ms` + 1000000000000000 AS STRING) || `event_id` || U&'\0001' || CAST(`dep_delay` AS STRING) AS `dep_delay__newest`,
  CAST(`event_time_ms` + 1000000000000000 AS STRING) || `event_id` || U&'\0001' || CAST(`event_time_ms` AS STRING) AS `event_time__newest`
FROM `departures__enter`
WHERE (`event_id` IS NOT NULL AND `tailnum` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `tailnum`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `all__rows`,
  CAST(NULL AS STRING) AS `dep_delay__newest`,
  CAST(NULL AS STRING) AS `event_time__newest`
FROM `departures__leave_86400000`
WHERE `event_id` IS NOT NULL AND `tailnum` IS NOT NULL;

CREATE TEMPORARY VIEW `tail_departures_24h__slices` AS
SELECT `tailnum`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 900000) + 900000 AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`,
  MAX(`dep_delay__newest`) AS `dep_delay__newest`,
  MAX(`event_time__newest`) AS `event_time__newest`
FROM TABLE(TUMBLE(TABLE `tail_departures_24h__moves`, DESCRIPTOR(`move__time`), INTERVAL '0 00:15:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `tailnum`;

CREATE TEMPORARY VIEW `tail_departures_24h__changes` AS
SELECT `tailnum`, `slice__time`, `window_end_ms`,
  `all__rows` AS `tail_departures_24h_count`,
  CASE WHEN CAST(SUBSTRING(`dep_delay__newest` FROM 1 FOR 16) AS BIGINT) - 1000000000000000 >= `window_end_ms` - 86400000 THEN CAST(SUBSTRING(`dep_delay__newest` FROM POSITION(U&'\0001' IN `dep_delay__newest`) + 1) AS BIGINT) END AS `tail_departures_24h_dep_delay_last`,
  CASE WHEN CAST(SUBSTRING(`event_time__newest` FROM 1 FOR 16) AS BIGINT) - 1000000000000000 >= `window_end_ms` - 86400000 THEN CAST(SUBSTRING(`event_time__newest` FROM POSITION(U&'\0001' IN `event_time__newest`) + 1) AS BIGINT) END AS `tail_departures_24h_event_time_last`
FROM (
  SELECT `tailnum`, `slice__time`, `window_end_ms`,
    SUM(`all__rows`) OVER w AS `all__rows`,
    MAX(`dep_delay__newest`) OVER w AS `dep_delay__newest`,
    MAX(`event_time__newest`) OVER w AS `event_time__newest`
  FROM `tail_departures_24h__slices`
  WINDOW w AS (
    PARTITION BY `tailnum` ORDER BY `slice__time`
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY TABLE `tail_departures_24h__rows` (
  `tailnum` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `tail_departures_24h_count` BIGINT NOT NULL,
  `tail_departures_24h_dep_delay_last` BIGINT,
  `tail_departures_24h_event_time_last` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.tail_departures_24h.105cbb66ccb7',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'avro',
  'key.fields' = 'tailnum',
  'value.format' = 'avro',
  'value.fields-include' = 'ALL'
);

SELECT `tailnum`, `window_end_ms`, `tail_departures_24h_count`, `tail_departures_24h_dep_delay_last`, `tail_departures_24h_event_time_last`
FROM `tail_departures_24h__changes`
WHERE `tailnum` IS NOT NULL;

CREATE TEMPORARY TABLE `all__progress` (
  `view` STRING NOT NULL,
  `fingerprint` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `row_count` BIGINT NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.progress',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'format' = 'avro',
  'sink.parallelism' = '1'
);

SELECT CAST('tail_departures_24h' AS STRING) AS `view`,
  CAST('105cbb66ccb7' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `tailnum` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `tail_departures_24h__changes`, DESCRIPTOR(`slice__time`), INTERVAL '0 00:15:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

