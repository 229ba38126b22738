CREATE TEMPORARY TABLE `payments__enter` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `card` STRING,
  `customer` BIGINT,
  `merchant` STRING,
  `country` STRING,
  `amount` DECIMAL(9, 2),
  `fee` DECIMAL(9, 4),
  `declined` BOOLEAN,
  `hour` BIGINT,
  `card_issued` BIGINT,
  `distance_km` DOUBLE,
  `move__time_ms` AS `event_time_ms`,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms`, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` - 5000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'payments',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'payments',
  'scan.watermark.alignment.max-drift' = '86400000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY TABLE `payments__leave_3600000` (
  `event_id` STRING,
  `event_time_ms` BIGINT NOT NULL,
  `card` STRING,
  `customer` BIGINT,
  `merchant` STRING,
  `country` STRING,
  `amount` DECIMAL(9, 2),
  `fee` DECIMAL(9, 4),
  `declined` BOOLEAN,
  `hour` BIGINT,
  `card_issued` BIGINT,
  `distance_km` DOUBLE,
  `move__time_ms` AS `event_time_ms` + 3600000,
  `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 3600000, 3),
  WATERMARK FOR `move__time` AS TO_TIMESTAMP_LTZ(`event_time_ms` + 3595000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'payments',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.isolation.level' = 'read_committed',
  'properties.allow.auto.create.topics' = 'false',
  'properties.commit.offsets.on.checkpoint' = 'false',
  'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '0',
  'scan.parallelism' = '2',
  'format' = 'avro',
  'properties.fetch.max.wait.ms' = '10',
  'scan.watermark.alignment.group' = 'payments',
  'scan.watermark.alignment.max-drift' = '90000000 ms',
  'scan.watermark.alignment.update-interval' = '100 ms'
);

CREATE TEMPORARY VIEW `card_1h__moves` AS
SELECT `card`, `move__time`, `move__time_ms`,
  CAST(1 AS BIGINT) AS `all__rows`,
  CASE WHEN NOT (`country` = CAST('CH' AS STRING)) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `all__rows__foreign`,
  COALESCE((CAST(CASE WHEN `declined` THEN 1 WHEN NOT `declined` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `declined__units`,
  CASE WHEN `declined` IS NOT NULL THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `declined__values`,
  CASE WHEN (`merchant` IS NULL OR `distance_km` > CAST('1000.0' AS DOUBLE)) THEN COALESCE((CAST(`amount` AS DECIMAL(38, 2))), CAST(0 AS DECIMAL(38, 2))) ELSE CAST(0 AS DECIMAL(38, 2)) END AS `amount__sum__doubtful`,
  `amount` AS `amount__min`,
  `amount` AS `amount__max`,
  CAST(`event_time_ms` + 1000000000000000 AS STRING) || `event_id` || U&'\0001' || CAST(`country` AS STRING) AS `country__oldest`,
  CAST(`event_time_ms` + 1000000000000000 AS STRING) || `event_id` || U&'\0001' || CAST(`country` AS STRING) AS `country__newest`,
  CAST(`event_time_ms` + 1000000000000000 AS STRING) || `event_id` || U&'\0001' || CAST(`event_time_ms` AS STRING) AS `event_time__newest`,
  CAST(0 AS BIGINT) AS `country__distinct__big`,
  `distance_km` AS `distance_km__max`,
  CASE WHEN `amount` >= CAST('500.00' AS DECIMAL(9, 2)) THEN `country` ELSE CAST(NULL AS STRING) END AS `country__value__big`,
  CAST(1 AS BIGINT) AS `move__sign`
FROM `payments__enter`
WHERE (`event_id` IS NOT NULL AND `card` IS NOT NULL) OR `event_id` IS NULL
UNION ALL
SELECT `card`, `move__time`, `move__time_ms`,
  CAST(-1 AS BIGINT) AS `all__rows`,
  CASE WHEN NOT (`country` = CAST('CH' AS STRING)) THEN CAST(-1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `all__rows__foreign`,
  COALESCE(-(CAST(CASE WHEN `declined` THEN 1 WHEN NOT `declined` THEN 0 END AS BIGINT)), CAST(0 AS BIGINT)) AS `declined__units`,
  CASE WHEN `declined` IS NOT NULL THEN CAST(-1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS `declined__values`,
  CASE WHEN (`merchant` IS NULL OR `distance_km` > CAST('1000.0' AS DOUBLE)) THEN COALESCE(-(CAST(`amount` AS DECIMAL(38, 2))), CAST(0 AS DECIMAL(38, 2))) ELSE CAST(0 AS DECIMAL(38, 2)) END AS `amount__sum__doubtful`,
  CAST(NULL AS DECIMAL(9, 2)) AS `amount__min`,
  CAST(NULL AS DECIMAL(9, 2)) AS `amount__max`,
  CAST(NULL AS STRING) AS `country__oldest`,
  CAST(NULL AS STRING) AS `country__newest`,
  CAST(NULL AS STRING) AS `event_time__newest`,
  CAST(0 AS BIGINT) AS `country__distinct__big`,
  CAST(NULL AS DOUBLE) AS `distance_km__max`,
  CASE WHEN `amount` >= CAST('500.00' AS DECIMAL(9, 2)) THEN `country` ELSE CAST(NULL AS STRING) END AS `country__value__big`,
  CAST(-1 AS BIGINT) AS `move__sign`
FROM `payments__leave_3600000`
WHERE `event_id` IS NOT NULL AND `card` IS NOT NULL;

CREATE TEMPORARY VIEW `card_1h__slices` AS
SELECT `card`, `window_time` AS `slice__time`,
  MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 60000) + 60000 AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`,
  SUM(`all__rows__foreign`) AS `all__rows__foreign`,
  SUM(`declined__units`) AS `declined__units`,
  SUM(`declined__values`) AS `declined__values`,
  SUM(`amount__sum__doubtful`) AS `amount__sum__doubtful`,
  MIN(`amount__min`) AS `amount__min`,
  MAX(`amount__max`) AS `amount__max`,
  MIN(`country__oldest`) AS `country__oldest`,
  MAX(`country__newest`) AS `country__newest`,
  MAX(`event_time__newest`) AS `event_time__newest`,
  SUM(`country__distinct__big`) AS `country__distinct__big`,
  MAX(`distance_km__max`) AS `distance_km__max`
FROM TABLE(TUMBLE(TABLE `card_1h__moves`, DESCRIPTOR(`move__time`), INTERVAL '0 00:01:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `card`;

CREATE TEMPORARY VIEW `card_1h__country__value__big` AS
SELECT `card`, `slice__time`, `window_end_ms`,
  CASE WHEN `country__value__big__present` > 0 AND `country__value__big__present` = `country__value__big__moved` THEN CAST(1 AS BIGINT)
    WHEN `country__value__big__present` = 0 AND `country__value__big__moved` < 0 THEN CAST(-1 AS BIGINT)
    ELSE CAST(0 AS BIGINT) END AS `country__distinct__big`
FROM (
  SELECT `card`, `slice__time`, `window_end_ms`, `country__value__big__moved`, SUM(`country__value__big__moved`) OVER w AS `country__value__big__present`
  FROM (
    SELECT `card`, `window_time` AS `slice__time`, `country__value__big`,
      MAX(`move__time_ms`) - MOD(MAX(`move__time_ms`), 60000) + 60000 AS `window_end_ms`,
      SUM(`move__sign`) AS `country__value__big__moved`
    FROM TABLE(TUMBLE(TABLE `card_1h__moves`, DESCRIPTOR(`move__time`), INTERVAL '0 00:01:00.000' DAY(3) TO SECOND(3)))
    WHERE `country__value__big` IS NOT NULL
    GROUP BY `window_start`, `window_end`, `window_time`, `card`, `country__value__big`
  )
  WINDOW w AS (
    PARTITION BY `card`, `country__value__big` ORDER BY `slice__time`
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY VIEW `card_1h__parts` AS
SELECT `card`, `slice__time`, `window_end_ms`,
  `all__rows`,
  `all__rows__foreign`,
  `declined__units`,
  `declined__values`,
  `amount__sum__doubtful`,
  `amount__min`,
  `amount__max`,
  `country__oldest`,
  `country__newest`,
  `event_time__newest`,
  `country__distinct__big`,
  `distance_km__max`
FROM `card_1h__slices`
UNION ALL
SELECT `card`, `slice__time`, `window_end_ms`,
  CAST(0 AS BIGINT) AS `all__rows`,
  CAST(0 AS BIGINT) AS `all__rows__foreign`,
  CAST(0 AS BIGINT) AS `declined__units`,
  CAST(0 AS BIGINT) AS `declined__values`,
  CAST(0 AS DECIMAL(38, 2)) AS `amount__sum__doubtful`,
  CAST(NULL AS DECIMAL(9, 2)) AS `amount__min`,
  CAST(NULL AS DECIMAL(9, 2)) AS `amount__max`,
  CAST(NULL AS STRING) AS `country__oldest`,
  CAST(NULL AS STRING) AS `country__newest`,
  CAST(NULL AS STRING) AS `event_time__newest`,
  `country__distinct__big`,
  CAST(NULL AS DOUBLE) AS `distance_km__max`
FROM `card_1h__country__value__big`;

CREATE TEMPORARY VIEW `card_1h__all_slices` AS
SELECT `card`, `window_time` AS `slice__time`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  SUM(`all__rows`) AS `all__rows`,
  SUM(`all__rows__foreign`) AS `all__rows__foreign`,
  SUM(`declined__units`) AS `declined__units`,
  SUM(`declined__values`) AS `declined__values`,
  SUM(`amount__sum__doubtful`) AS `amount__sum__doubtful`,
  MIN(`amount__min`) AS `amount__min`,
  MAX(`amount__max`) AS `amount__max`,
  MIN(`country__oldest`) AS `country__oldest`,
  MAX(`country__newest`) AS `country__newest`,
  MAX(`event_time__newest`) AS `event_time__newest`,
  SUM(`country__distinct__big`) AS `country__distinct__big`,
  MAX(`distance_km__max`) AS `distance_km__max`
FROM TABLE(TUMBLE(TABLE `card_1h__parts`, DESCRIPTOR(`slice__time`), INTERVAL '0 00:01:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`, `window_time`, `card`;

CREATE TEMPORARY VIEW `card_1h__changes` AS
SELECT `card`, `slice__time`, `window_end_ms`,
  `all__rows` AS `card_1h_count`,
  `all__rows__foreign` AS `card_1h_foreign_count`,
  CASE WHEN `declined__values` > 0 THEN CAST(`declined__units` AS DOUBLE) / CAST(`declined__values` AS DOUBLE) END AS `card_1h_declined_mean`,
  `amount__sum__doubtful` AS `card_1h_doubtful_amount_sum`,
  `amount__min` AS `card_1h_amount_min`,
  `amount__max` AS `card_1h_amount_max`,
  SUBSTRING(`country__oldest` FROM POSITION(U&'\0001' IN `country__oldest`) + 1) AS `card_1h_country_first`,
  CASE WHEN CAST(SUBSTRING(`country__newest` FROM 1 FOR 16) AS BIGINT) - 1000000000000000 >= `window_end_ms` - 3600000 THEN SUBSTRING(`country__newest` FROM POSITION(U&'\0001' IN `country__newest`) + 1) END AS `card_1h_country_last`,
  CASE WHEN CAST(SUBSTRING(`event_time__newest` FROM 1 FOR 16) AS BIGINT) - 1000000000000000 >= `window_end_ms` - 3600000 THEN CAST(SUBSTRING(`event_time__newest` FROM POSITION(U&'\0001' IN `event_time__newest`) + 1) AS BIGINT) END AS `card_1h_event_time_last`,
  `country__distinct__big` AS `card_1h_big_country_count_distinct`,
  `distance_km__max` AS `card_1h_distance_km_max`
FROM (
  SELECT `card`, `slice__time`, `window_end_ms`,
    `all__rows`,
    `all__rows__foreign`,
    `declined__units`,
    `declined__values`,
    `amount__sum__doubtful`,
    `country__newest`,
    `event_time__newest`,
    `country__distinct__big`,
    MIN(`amount__min`) OVER w AS `amount__min`,
    MAX(`amount__max`) OVER w AS `amount__max`,
    MIN(`country__oldest`) OVER w AS `country__oldest`,
    MAX(`distance_km__max`) OVER w AS `distance_km__max`
  FROM (
    SELECT `card`, `slice__time`, `window_end_ms`,
      `amount__min`,
      `amount__max`,
      `country__oldest`,
      `distance_km__max`,
      SUM(`all__rows`) OVER w AS `all__rows`,
      SUM(`all__rows__foreign`) OVER w AS `all__rows__foreign`,
      SUM(`declined__units`) OVER w AS `declined__units`,
      SUM(`declined__values`) OVER w AS `declined__values`,
      SUM(`amount__sum__doubtful`) OVER w AS `amount__sum__doubtful`,
      MAX(`country__newest`) OVER w AS `country__newest`,
      MAX(`event_time__newest`) OVER w AS `event_time__newest`,
      SUM(`country__distinct__big`) OVER w AS `country__distinct__big`
    FROM `card_1h__all_slices`
    WINDOW w AS (
      PARTITION BY `card` ORDER BY `slice__time`
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
  )
  WINDOW w AS (
    PARTITION BY `card` ORDER BY `slice__time`
    RANGE BETWEEN INTERVAL '0 00:59:00.000' DAY(3) TO SECOND(3) PRECEDING AND CURRENT ROW
  )
);

CREATE TEMPORARY TABLE `card_1h__rows` (
  `card` STRING NOT NULL,
  `window_end_ms` BIGINT NOT NULL,
  `card_1h_count` BIGINT NOT NULL,
  `card_1h_foreign_count` BIGINT NOT NULL,
  `card_1h_declined_mean` DOUBLE,
  `card_1h_doubtful_amount_sum` DECIMAL(38, 2) NOT NULL,
  `card_1h_amount_min` DECIMAL(9, 2),
  `card_1h_amount_max` DECIMAL(9, 2),
  `card_1h_country_first` STRING,
  `card_1h_country_last` STRING,
  `card_1h_event_time_last` BIGINT,
  `card_1h_big_country_count_distinct` BIGINT NOT NULL,
  `card_1h_distance_km_max` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.card_1h.4e0487771e81',
  'properties.bootstrap.servers' = 'kafka:9092',
  'properties.linger.ms' = '0',
  'properties.allow.auto.create.topics' = 'false',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'avro',
  'key.fields' = 'card',
  'value.format' = 'avro',
  'value.fields-include' = 'ALL'
);

SELECT `card`, `window_end_ms`, `card_1h_count`, `card_1h_foreign_count`, `card_1h_declined_mean`, `card_1h_doubtful_amount_sum`, `card_1h_amount_min`, `card_1h_amount_max`, `card_1h_country_first`, `card_1h_country_last`, `card_1h_event_time_last`, `card_1h_big_country_count_distinct`, `card_1h_distance_km_max`
FROM `card_1h__changes`
WHERE `card` IS NOT NULL;

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

SELECT CAST('card_1h' AS STRING) AS `view`,
  CAST('4e0487771e81' AS STRING) AS `fingerprint`,
  MAX(`window_end_ms`) AS `window_end_ms`,
  COUNT(*) FILTER (WHERE `card` IS NOT NULL) AS `row_count`
FROM TABLE(TUMBLE(TABLE `card_1h__changes`, DESCRIPTOR(`slice__time`), INTERVAL '0 00:01:00.000' DAY(3) TO SECOND(3)))
GROUP BY `window_start`, `window_end`;

