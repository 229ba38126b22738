CREATE TEMPORARY TABLE `arrivals__enter` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `arr_delay` BIGINT,
  `late` BOOLEAN,
  `air_time` BIGINT,
  `move__time_ms` AS `event_time_ms`,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms`, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` - 60000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'arrivals',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'arrivals',
  'scan.watermark.alignment.max-drift' = '86400000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY TABLE `arrivals__leave_10800000` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `carrier` STRING,
  `flight` BIGINT,
  `tailnum` STRING,
  `origin` STRING,
  `dest` STRING,
  `arr_delay` BIGINT,
  `late` BOOLEAN,
  `air_time` BIGINT,
  `move__time_ms` AS `event_time_ms` + 10800000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 10800000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 10740000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'arrivals',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'arrivals',
  'scan.watermark.alignment.max-drift' = '97200000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY VIEW `dest_arrivals_3h__moves` AS
SELECT `dest`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `all__rows`,
  COALESCE((CAST(`arr_delay` AS BIGINT)), CAST(0 AS BIGINT)) AS `arr_delay__units`,
  CASE WHEN `arr_delay` IS NOT NULL THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `arr_delay__values`,
  COALESCE((CAST(CASE WHEN `late` THEN 1 WHEN NOT `late` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `late__units`
FROM `arrivals__enter`
WHERE (`event_id` IS NOT NULL AND `dest` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `dest`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `all__rows`,
  COALESCE(-(CAST(`arr_delay` AS BIGINT)), CAST(0 AS BIGINT)) AS `arr_delay__units`,
  CASE WHEN `arr_delay` IS NOT NULL THEN CAST(-1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `arr_delay__values`,
  COALESCE(-(CAST(CASE WHEN `late` THEN 1 WHEN NOT `late` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `late__units`
FROM `arrivals__leave_10800000`
WHERE `event_id` IS NOT NULL AND `dest` IS NOT NULL;

CREATE TEMPORARY VIEW `dest_arrivals_3h__slices` AS
SELECT `dest`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 300000) + 300000 AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`,
  SUM(`arr_delay__units`) AS `arr_delay__units`,
  SUM(`arr_delay__values`) AS `arr_delay__values`,
  SUM(`late__units`) AS `late__units`
FROM TABLE(TUMBLE(TABLE `dest_arrivals_3h__moves`, DESCRIPTOR(`move__time`), INTERVAL '0 00:05:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `dest`;

CREATE TEMPORARY VIEW `dest_arrivals_3h__changes` AS
SELECT `dest`, `slice__time`, `window_end_ms`,
  `all__rows` AS `dest_arrivals_3h_count`,
  CASE WHEN `arr_delay__values` > 0 THEN CAST(`arr_delay__units` AS DOUBLE) / CAST(`arr_delay__values` AS DOUBLE) END AS `dest_arrivals_3h_arr_delay_mean`,
  `late__units` AS `dest_arrivals_3h_late_sum`
FROM (
  SELECT `dest`, `slice__time`, `window_end_ms`,
    SUM(`all__rows`) OVER w AS `all__rows`,
    SUM(`arr_delay__units`) OVER w AS `arr_delay__units`,
    SUM(`arr_delay__values`) OVER w AS `arr_delay__values`,
    SUM(`late__units`) OVER w AS `late__units`
  FROM `dest_arrivals_3h__slices`
  WINDOW w AS (
    PARTITION BY `dest` ORDER BY `slice__time`
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY TABLE `dest_arrivals_3h__rows` (
  `dest` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `dest_arrivals_3h_count` BIGINT NOT NULL,
  `dest_arrivals_3h_arr_delay_mean` DOUBLE,
  `dest_arrivals_3h_late_sum` BIGINT NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.dest_arrivals_3h.339df82b63f9',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'avro',
  'key.fields' = 'dest',
  'value.format' = 'avro',
  'value.fields-include' = 'ALL'
);

SELECT `dest`, `window_end_ms`, `dest_arrivals_3h_count`, `dest_arrivals_3h_arr_delay_mean`, `dest_arrivals_3h_late_sum`
FROM `dest_arrivals_3h__changes`
WHERE `dest` IS NOT NULL;

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

SELECT CAST('dest_arrivals_3h' AS STRING) AS `view`,
  CAST('339df82b63f9' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `dest` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `dest_arrivals_3h__changes`, DESCRIPTOR(`slice__time`), INTERVAL '0 00:05:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

