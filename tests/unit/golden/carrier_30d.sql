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
  'properties.fetch.max.wait.ms' = '10'
);

CREATE TEMPORARY TABLE `departures__leave_2592000000` (
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
  `move__time_ms` AS `event_time_ms` + 2592000000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 2592000000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 2591940000, 3)
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
  'properties.fetch.max.wait.ms' = '10'
);

CREATE TEMPORARY VIEW `carrier_30d__moves` AS
SELECT `carrier`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `rows__count`,
  COALESCE(`dep_delay`, 0) AS `dep_delay__sum`,
  CAST(CASE WHEN `dep_delay` IS NULL THEN 0 ELSE 1 END AS BIGINT) AS `dep_delay__count`,
  CAST(CASE WHEN `late` THEN 1 ELSE 0 END AS BIGINT) AS `late__sum`,
  CAST(CASE WHEN `late` IS NULL THEN 0 ELSE 1 END AS BIGINT) AS `late__count`
FROM `departures__enter`
WHERE (`event_id` IS NOT NULL AND `carrier` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `carrier`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `rows__count`,
  -COALESCE(`dep_delay`, 0) AS `dep_delay__sum`,
  CAST(CASE WHEN `dep_delay` IS NULL THEN 0 ELSE -1 END AS BIGINT) AS `dep_delay__count`,
  CAST(CASE WHEN `late` THEN -1 ELSE 0 END AS BIGINT) AS `late__sum`,
  CAST(CASE WHEN `late` IS NULL THEN 0 ELSE -1 END AS BIGINT) AS `late__count`
FROM `departures__leave_2592000000`
WHERE `event_id` IS NOT NULL AND `carrier` IS NOT NULL;

CREATE TEMPORARY VIEW `carrier_30d__slices` AS
SELECT `carrier`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 86400000) + 86400000 AS `window_end_ms`,
  SUM(`rows__count`) AS `rows__count`,
  SUM(`dep_delay__sum`) AS `dep_delay__sum`,
  SUM(`dep_delay__count`) AS `dep_delay__count`,
  SUM(`late__sum`) AS `late__sum`,
  SUM(`late__count`) AS `late__count`
FROM TABLE(TUMBLE(TABLE `carrier_30d__moves`, DESCRIPTOR(`move__time`), INTERVAL '1 00:00:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `carrier`;

CREATE TEMPORARY VIEW `carrier_30d__changes` AS
SELECT `carrier`, `slice__time`, `window_end_ms`,
  `rows__count` AS `carrier_30d_count`,
  CASE WHEN `dep_delay__count` > 0 THEN CAST(`dep_delay__sum` AS DOUBLE) / CAST(`dep_delay__count` AS DOUBLE) END AS `carrier_30d_dep_delay_mean`,
  CASE WHEN `late__count` > 0 THEN CAST(`late__sum` AS DOUBLE) / CAST(`late__count` AS DOUBLE) END AS `carrier_30d_late_mean`
FROM (
  SELECT `carrier`, `slice__time`, `window_end_ms`,
    SUM(`rows__count`) OVER w AS `rows__count`,
    SUM(`dep_delay__sum`) OVER w AS `dep_delay__sum`,
    SUM(`dep_delay__count`) OVER w AS `dep_delay__count`,
    SUM(`late__sum`) OVER w AS `late__sum`,
    SUM(`late__count`) OVER w AS `late__count`
  FROM `carrier_30d__slices`
  WINDOW w AS (
    PARTITION BY `carrier` ORDER BY `slice__time`
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY TABLE `carrier_30d__rows` (
  `carrier` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `carrier_30d_count` BIGINT NOT NULL,
  `carrier_30d_dep_delay_mean` DOUBLE,
  `carrier_30d_late_mean` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.carrier_30d.3711d20a6dae',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'avro',
  'key.fields' = 'carrier',
  'value.format' = 'avro',
  'value.fields-include' = 'ALL'
);

SELECT `carrier`, `window_end_ms`, `carrier_30d_count`, `carrier_30d_dep_delay_mean`, `carrier_30d_late_mean`
FROM `carrier_30d__changes`
WHERE `carrier` IS NOT NULL;

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

SELECT CAST('carrier_30d' AS STRING) AS `view`,
  CAST('3711d20a6dae' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `carrier` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `carrier_30d__changes`, DESCRIPTOR(`slice__time`), INTERVAL '1 00:00:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

