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
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'departures',
  'scan.watermark.alignment.max-drift' = '2678400000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY VIEW `carrier_30d__moves` AS
SELECT `carrier`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `all__rows`,
  COALESCE((CAST(`dep_delay` AS BIGINT)), CAST(0 AS BIGINT)) AS `dep_delay__units`,
  CASE WHEN `dep_delay` IS NOT NULL THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `dep_delay__values`,
  COALESCE((CAST(CASE WHEN `late` THEN 1 WHEN NOT `late` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `late__units`,
  CASE WHEN `late` IS NOT NULL THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `late__values`
FROM `departures__enter`
WHERE (`event_id` IS NOT NULL AND `carrier` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `carrier`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `all__rows`,
  COALESCE(-(CAST(`dep_delay` AS BIGINT)), CAST(0 AS BIGINT)) AS `dep_delay__units`,
  CASE WHEN `dep_delay` IS NOT NULL THEN CAST(-1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `dep_delay__values`,
  COALESCE(-(CAST(CASE WHEN `late` THEN 1 WHEN NOT `late` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `late__units`,
  CASE WHEN `late` IS NOT NULL THEN CAST(-1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `late__values`
FROM `departures__leave_2592000000`
WHERE `event_id` IS NOT NULL AND `carrier` IS NOT NULL;

CREATE TEMPORARY VIEW `carrier_30d__slices` AS
SELECT `carrier`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 86400000) + 86400000 AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`,
  SUM(`dep_delay__units`) AS `dep_delay__units`,
  SUM(`dep_delay__values`) AS `dep_delay__values`,
  SUM(`late__units`) AS `late__units`,
  SUM(`late__values`) AS `late__values`
FROM TABLE(TUMBLE(TABLE `carrier_30d__moves`, DESCRIPTOR(`move__time`), INTERVAL '1 00:00:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `carrier`;

CREATE TEMPORARY VIEW `carrier_30d__changes` AS
SELECT `carrier`, `slice__time`, `window_end_ms`,
  `all__rows` AS `carrier_30d_count`,
  CASE WHEN `dep_delay__values` > 0 THEN CAST(`dep_delay__units` AS DOUBLE) / CAST(`dep_delay__values` AS DOUBLE) END AS `carrier_30d_dep_delay_mean`,
  CASE WHEN `late__values` > 0 THEN CAST(`late__units` AS DOUBLE) / CAST(`late__values` AS DOUBLE) END AS `carrier_30d_late_mean`
FROM (
  SELECT `carrier`, `slice__time`, `window_end_ms`,
    SUM(`all__rows`) OVER w AS `all__rows`,
    SUM(`dep_delay__units`) OVER w AS `dep_delay__units`,
    SUM(`dep_delay__values`) OVER w AS `dep_delay__values`,
    SUM(`late__units`) OVER w AS `late__units`,
    SUM(`late__values`) OVER w AS `late__values`
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
  'topic' = 'features.carrier_30d.f7824aed4421',
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
  CAST('f7824aed4421' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `carrier` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `carrier_30d__changes`, DESCRIPTOR(`slice__time`), INTERVAL '1 00:00:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

