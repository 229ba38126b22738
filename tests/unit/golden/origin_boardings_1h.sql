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
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'boardings',
  'scan.watermark.alignment.max-drift' = '86400000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY TABLE `boardings__leave_3600000` (
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
  `move__time_ms` AS `event_time_ms` + 3600000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 3600000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 3540000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'boardings',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'boardings',
  'scan.watermark.alignment.max-drift' = '90000000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY VIEW `origin_boardings_1h__moves` AS
SELECT `origin`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `all__rows`
FROM `boardings__enter`
WHERE (`event_id` IS NOT NULL AND `origin` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `origin`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `all__rows`
FROM `boardings__leave_3600000`
WHERE `event_id` IS NOT NULL AND `origin` IS NOT NULL;

CREATE TEMPORARY VIEW `origin_boardings_1h__slices` AS
SELECT `origin`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 300000) + 300000 AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`
FROM TABLE(TUMBLE(TABLE `origin_boardings_1h__moves`, DESCRIPTOR(`move__time`), INTERVAL '0 00:05:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `origin`;

CREATE TEMPORARY VIEW `origin_boardings_1h__changes` AS
SELECT `origin`, `slice__time`, `window_end_ms`,
  `all__rows` AS `origin_boardings_1h_count`
FROM (
  SELECT `origin`, `slice__time`, `window_end_ms`,
    SUM(`all__rows`) OVER w AS `all__rows`
  FROM `origin_boardings_1h__slices`
  WINDOW w AS (
    PARTITION BY `origin` ORDER BY `slice__time`
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY TABLE `origin_boardings_1h__rows` (
  `origin` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `origin_boardings_1h_count` BIGINT NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.origin_boardings_1h.74a47e46d233',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'avro',
  'key.fields' = 'origin',
  'value.format' = 'avro',
  'value.fields-include' = 'ALL'
);

SELECT `origin`, `window_end_ms`, `origin_boardings_1h_count`
FROM `origin_boardings_1h__changes`
WHERE `origin` IS NOT NULL;

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

SELECT CAST('origin_boardings_1h' AS STRING) AS `view`,
  CAST('74a47e46d233' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `origin` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `origin_boardings_1h__changes`, DESCRIPTOR(`slice__time`), INTERVAL '0 00:05:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

