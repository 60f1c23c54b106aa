-- Tables for the lines of many hosts. Everything is inserted into tcpcong.lines, whichever line
-- it is; that keeps nothing, and hands each line on to the table of its type. Whoever inserts
-- needs no more than JSONEachRow and input_format_skip_unknown_fields=1:
--
--     clickhouse-client --input_format_skip_unknown_fields=1 \
--         --query 'INSERT INTO tcpcong.lines FORMAT JSONEachRow' < lines.jsonl
--
-- docs/json.md says what each column is; times are in UTC.

CREATE DATABASE IF NOT EXISTS tcpcong;

CREATE TABLE IF NOT EXISTS tcpcong.lines
(
    type LowCardinality(String),
    host LowCardinality(String),
    run UInt64,
    line UInt64,
    time String,
    interval_ns UInt64,
    -- Which connection.
    family LowCardinality(String),
    laddr String,
    lport UInt16,
    raddr String,
    rport UInt16,
    netns UInt64,
    cookie Nullable(UInt64),
    cgroup_id Nullable(UInt64),
    pid Nullable(UInt32),
    comm LowCardinality(String),
    cc LowCardinality(String),
    prefix LowCardinality(String),
    netns_name LowCardinality(String),
    cgroup LowCardinality(String),
    unit LowCardinality(String),
    container LowCardinality(String),
    pod LowCardinality(String),
    -- Of flows, and their sums in reports.
    state LowCardinality(String),
    open_ns UInt64,
    disorder_ns UInt64,
    cwr_ns UInt64,
    recovery_ns UInt64,
    loss_ns UInt64,
    changes UInt64,
    rtos UInt64,
    repeated_rtos UInt64,
    spell_ns UInt64,
    exact Bool,
    uncertain_ns UInt64,
    ended Bool,
    -- Measured: not known where nobody could look.
    busy_ns Nullable(UInt64),
    rwnd_limited_ns Nullable(UInt64),
    sndbuf_limited_ns Nullable(UInt64),
    delivered Nullable(UInt64),
    retrans Nullable(UInt64),
    waited_ns Nullable(UInt64),
    waited_loss_ns Nullable(UInt64),
    acked_bytes Nullable(UInt64),
    received_bytes Nullable(UInt64),
    rate Nullable(UInt64),
    rtt_ns Nullable(UInt64),
    rtt_min_ns Nullable(UInt64),
    cwnd Nullable(UInt32),
    -- Of transitions.
    at_ns UInt64,
    `from` LowCardinality(String),
    `to` LowCardinality(String),
    cause LowCardinality(String),
    undo_by LowCardinality(String),
    cwnd_before Nullable(UInt32),
    cwnd_after Nullable(UInt32),
    ssthresh_before Nullable(UInt32),
    ssthresh_after Nullable(UInt32),
    srtt_us Nullable(UInt32),
    in_flight UInt32,
    lost UInt32,
    retransmitted UInt32,
    rtt_min_us Nullable(UInt32),
    delivery_rate Nullable(UInt64),
    cwnd_limited Nullable(Bool),
    app_limited Nullable(Bool),
    unsent Nullable(UInt64),
    -- Of verdicts.
    verdict LowCardinality(String),
    confidence LowCardinality(String),
    second LowCardinality(String),
    `end` LowCardinality(String),
    because String,
    next_step LowCardinality(String),
    watched_ns UInt64,
    held_up_ns UInt64,
    cost_ns UInt64,
    timeouts UInt64,
    recoveries UInt64,
    outage_ns UInt64,
    -- Of reports.
    flows UInt64,
    flows_filtered_out UInt64,
    flows_alive UInt64,
    flows_quiet UInt64,
    flows_ended UInt64,
    inexact_flows UInt64,
    flows_refused UInt64,
    births_missed UInt64,
    ends_missed UInt64,
    transitions_missed UInt64,
    events_unaccounted UInt64,
    rows_lost UInt64,
    recursion_misses UInt64,
    entries_dropped UInt64,
    gap_ns UInt64,
    namespaces_unreached UInt64,
    -- Of reports, and of the beginning of a run: sockets are sampled, times are estimates.
    estimated Bool,
    -- Of lines that were dropped.
    from_time String,
    lines UInt64,
    bytes UInt64,
    first_line UInt64,
    last_line UInt64,
    -- Of the beginning of a run.
    version LowCardinality(String),
    kernel LowCardinality(String),
    attach LowCardinality(String),
    limitations Array(String)
)
ENGINE = Null;

-- Flows: a row for each connection in each interval in which it was anything but quiet.

CREATE TABLE IF NOT EXISTS tcpcong.flows
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    run UInt64 CODEC(ZSTD(1)),
    line UInt64 CODEC(Delta, ZSTD(1)),
    interval_ns UInt64 CODEC(ZSTD(1)),
    family LowCardinality(String),
    laddr String CODEC(ZSTD(1)),
    lport UInt16 CODEC(ZSTD(1)),
    raddr String CODEC(ZSTD(1)),
    rport UInt16 CODEC(ZSTD(1)),
    netns UInt64 CODEC(ZSTD(1)),
    cookie Nullable(UInt64) CODEC(ZSTD(1)),
    cgroup_id Nullable(UInt64) CODEC(ZSTD(1)),
    pid Nullable(UInt32) CODEC(ZSTD(1)),
    comm LowCardinality(String),
    cc LowCardinality(String),
    prefix LowCardinality(String),
    netns_name LowCardinality(String),
    cgroup LowCardinality(String),
    unit LowCardinality(String),
    container LowCardinality(String),
    pod LowCardinality(String),
    state LowCardinality(String),
    open_ns UInt64 CODEC(T64, ZSTD(1)),
    disorder_ns UInt64 CODEC(T64, ZSTD(1)),
    cwr_ns UInt64 CODEC(T64, ZSTD(1)),
    recovery_ns UInt64 CODEC(T64, ZSTD(1)),
    loss_ns UInt64 CODEC(T64, ZSTD(1)),
    changes UInt32 CODEC(T64, ZSTD(1)),
    rtos UInt32 CODEC(T64, ZSTD(1)),
    repeated_rtos UInt32 CODEC(T64, ZSTD(1)),
    spell_ns UInt64 CODEC(T64, ZSTD(1)),
    exact Bool,
    uncertain_ns UInt64 CODEC(T64, ZSTD(1)),
    ended Bool,
    busy_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    rwnd_limited_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    sndbuf_limited_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    delivered Nullable(UInt64) CODEC(T64, ZSTD(1)),
    retrans Nullable(UInt64) CODEC(T64, ZSTD(1)),
    waited_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    waited_loss_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    acked_bytes Nullable(UInt64) CODEC(T64, ZSTD(1)),
    received_bytes Nullable(UInt64) CODEC(T64, ZSTD(1)),
    rate Nullable(UInt64) CODEC(T64, ZSTD(1)),
    rtt_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    rtt_min_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cwnd Nullable(UInt32) CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (host, time, netns, lport, rport)
TTL toDateTime(time) + INTERVAL 14 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.flows_of_lines TO tcpcong.flows AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    run, line, interval_ns, family, laddr, lport, raddr, rport, netns, cookie, cgroup_id, pid, comm,
    cc, prefix, netns_name, cgroup, unit, container, pod, state, open_ns, disorder_ns, cwr_ns,
    recovery_ns, loss_ns, changes, rtos, repeated_rtos, spell_ns, exact, uncertain_ns, ended,
    busy_ns, rwnd_limited_ns, sndbuf_limited_ns, delivered, retrans, waited_ns, waited_loss_ns,
    acked_bytes, received_bytes, rate, rtt_ns, rtt_min_ns, cwnd
FROM tcpcong.lines
WHERE type = 'flow';

-- The same by the minute, without the connections: small enough to be kept for a year. What
-- dashboards of many hosts ask.

CREATE TABLE IF NOT EXISTS tcpcong.flows_per_minute
(
    host LowCardinality(String),
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    unit LowCardinality(String),
    comm LowCardinality(String),
    prefix LowCardinality(String),
    open_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    disorder_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cwr_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    recovery_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    loss_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    waited_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    waited_loss_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    rwnd_limited_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sndbuf_limited_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    changes SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    rtos SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    delivered SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    retrans SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    acked_bytes SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    uncertain_ns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    rtt_longest_ns SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    connections AggregateFunction(uniq, UInt64, UInt64, String, UInt16, String, UInt16)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (host, minute, unit, comm, prefix)
TTL minute + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.minutes_of_flows TO tcpcong.flows_per_minute AS
SELECT
    host,
    toStartOfMinute(time) AS minute,
    unit,
    comm,
    prefix,
    sum(f.open_ns) AS open_ns,
    sum(f.disorder_ns) AS disorder_ns,
    sum(f.cwr_ns) AS cwr_ns,
    sum(f.recovery_ns) AS recovery_ns,
    sum(f.loss_ns) AS loss_ns,
    sum(ifNull(f.waited_ns, 0)) AS waited_ns,
    sum(ifNull(f.waited_loss_ns, 0)) AS waited_loss_ns,
    sum(ifNull(f.rwnd_limited_ns, 0)) AS rwnd_limited_ns,
    sum(ifNull(f.sndbuf_limited_ns, 0)) AS sndbuf_limited_ns,
    sum(f.changes) AS changes,
    sum(f.rtos) AS rtos,
    sum(ifNull(f.delivered, 0)) AS delivered,
    sum(ifNull(f.retrans, 0)) AS retrans,
    sum(ifNull(f.acked_bytes, 0)) AS acked_bytes,
    sum(f.uncertain_ns) AS uncertain_ns,
    max(ifNull(f.rtt_ns, 0)) AS rtt_longest_ns,
    uniqState(f.netns, ifNull(f.cookie, 0), f.laddr, f.lport, f.raddr, f.rport) AS connections
FROM tcpcong.flows AS f
GROUP BY host, minute, unit, comm, prefix;

-- Transitions: each with its cause.

CREATE TABLE IF NOT EXISTS tcpcong.transitions
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    run UInt64 CODEC(ZSTD(1)),
    line UInt64 CODEC(Delta, ZSTD(1)),
    at_ns UInt64 CODEC(Delta, ZSTD(1)),
    family LowCardinality(String),
    laddr String CODEC(ZSTD(1)),
    lport UInt16 CODEC(ZSTD(1)),
    raddr String CODEC(ZSTD(1)),
    rport UInt16 CODEC(ZSTD(1)),
    netns UInt64 CODEC(ZSTD(1)),
    cookie Nullable(UInt64) CODEC(ZSTD(1)),
    cgroup_id Nullable(UInt64) CODEC(ZSTD(1)),
    pid Nullable(UInt32) CODEC(ZSTD(1)),
    comm LowCardinality(String),
    cc LowCardinality(String),
    `from` LowCardinality(String),
    `to` LowCardinality(String),
    cause LowCardinality(String),
    undo_by LowCardinality(String),
    spell_ns UInt64 CODEC(T64, ZSTD(1)),
    exact Bool,
    cwnd_before Nullable(UInt32) CODEC(T64, ZSTD(1)),
    cwnd_after Nullable(UInt32) CODEC(T64, ZSTD(1)),
    ssthresh_before Nullable(UInt32) CODEC(T64, ZSTD(1)),
    ssthresh_after Nullable(UInt32) CODEC(T64, ZSTD(1)),
    srtt_us Nullable(UInt32) CODEC(T64, ZSTD(1)),
    in_flight UInt32 CODEC(T64, ZSTD(1)),
    lost UInt32 CODEC(T64, ZSTD(1)),
    retransmitted UInt32 CODEC(T64, ZSTD(1)),
    waited_ns Nullable(UInt64) CODEC(T64, ZSTD(1)),
    rtt_min_us Nullable(UInt32) CODEC(T64, ZSTD(1)),
    delivery_rate Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cwnd_limited Nullable(Bool),
    app_limited Nullable(Bool),
    unsent Nullable(UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (host, cause, time)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.transitions_of_lines TO tcpcong.transitions AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    run, line, at_ns, family, laddr, lport, raddr, rport, netns, cookie, cgroup_id, pid, comm, cc,
    `from`, `to`, cause, undo_by, spell_ns, exact, cwnd_before, cwnd_after, ssthresh_before,
    ssthresh_after, srtt_us, in_flight, lost, retransmitted, waited_ns, rtt_min_us,
    delivery_rate, cwnd_limited, app_limited, unsent
FROM tcpcong.lines
WHERE type = 'transition';

-- Verdicts: what holds connections up.

CREATE TABLE IF NOT EXISTS tcpcong.verdicts
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    run UInt64 CODEC(ZSTD(1)),
    line UInt64 CODEC(Delta, ZSTD(1)),
    interval_ns UInt64 CODEC(ZSTD(1)),
    laddr String CODEC(ZSTD(1)),
    lport UInt16 CODEC(ZSTD(1)),
    raddr String CODEC(ZSTD(1)),
    rport UInt16 CODEC(ZSTD(1)),
    netns UInt64 CODEC(ZSTD(1)),
    cookie Nullable(UInt64) CODEC(ZSTD(1)),
    pid Nullable(UInt32) CODEC(ZSTD(1)),
    comm LowCardinality(String),
    cc LowCardinality(String),
    unit LowCardinality(String),
    container LowCardinality(String),
    pod LowCardinality(String),
    verdict LowCardinality(String),
    confidence LowCardinality(String),
    second LowCardinality(String),
    `end` LowCardinality(String),
    because String CODEC(ZSTD(3)),
    next_step LowCardinality(String),
    watched_ns UInt64 CODEC(T64, ZSTD(1)),
    held_up_ns UInt64 CODEC(T64, ZSTD(1)),
    cost_ns UInt64 CODEC(T64, ZSTD(1)),
    timeouts UInt64 CODEC(T64, ZSTD(1)),
    recoveries UInt64 CODEC(T64, ZSTD(1)),
    outage_ns UInt64 CODEC(T64, ZSTD(1)),
    exact Bool
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (host, verdict, time)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.verdicts_of_lines TO tcpcong.verdicts AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    run, line, interval_ns, laddr, lport, raddr, rport, netns, cookie, pid, comm, cc, unit,
    container, pod, verdict, confidence, second, `end`, because, next_step, watched_ns,
    held_up_ns, cost_ns, timeouts, recoveries, outage_ns, exact
FROM tcpcong.lines
WHERE type = 'verdict';

-- Reports: the sums of each interval of each host, and how far they are true.

CREATE TABLE IF NOT EXISTS tcpcong.reports
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    run UInt64 CODEC(ZSTD(1)),
    line UInt64 CODEC(Delta, ZSTD(1)),
    interval_ns UInt64 CODEC(ZSTD(1)),
    flows UInt64 CODEC(T64, ZSTD(1)),
    flows_filtered_out UInt64 CODEC(T64, ZSTD(1)),
    flows_alive UInt64 CODEC(T64, ZSTD(1)),
    flows_quiet UInt64 CODEC(T64, ZSTD(1)),
    flows_ended UInt64 CODEC(T64, ZSTD(1)),
    open_ns UInt64 CODEC(T64, ZSTD(1)),
    disorder_ns UInt64 CODEC(T64, ZSTD(1)),
    cwr_ns UInt64 CODEC(T64, ZSTD(1)),
    recovery_ns UInt64 CODEC(T64, ZSTD(1)),
    loss_ns UInt64 CODEC(T64, ZSTD(1)),
    changes UInt64 CODEC(T64, ZSTD(1)),
    rtos UInt64 CODEC(T64, ZSTD(1)),
    repeated_rtos UInt64 CODEC(T64, ZSTD(1)),
    exact Bool,
    inexact_flows UInt64 CODEC(T64, ZSTD(1)),
    uncertain_ns UInt64 CODEC(T64, ZSTD(1)),
    flows_refused UInt64 CODEC(T64, ZSTD(1)),
    births_missed UInt64 CODEC(T64, ZSTD(1)),
    ends_missed UInt64 CODEC(T64, ZSTD(1)),
    transitions_missed UInt64 CODEC(T64, ZSTD(1)),
    events_unaccounted UInt64 CODEC(T64, ZSTD(1)),
    rows_lost UInt64 CODEC(T64, ZSTD(1)),
    recursion_misses UInt64 CODEC(T64, ZSTD(1)),
    entries_dropped UInt64 CODEC(T64, ZSTD(1)),
    gap_ns UInt64 CODEC(T64, ZSTD(1)),
    namespaces_unreached UInt64 CODEC(T64, ZSTD(1)),
    estimated Bool
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (host, time)
TTL toDateTime(time) + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.reports_of_lines TO tcpcong.reports AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    run, line, interval_ns, flows, flows_filtered_out, flows_alive, flows_quiet, flows_ended,
    open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns, changes, rtos, repeated_rtos, exact,
    inexact_flows, uncertain_ns, flows_refused, births_missed, ends_missed, transitions_missed,
    events_unaccounted, rows_lost, recursion_misses, entries_dropped, gap_ns,
    namespaces_unreached, estimated
FROM tcpcong.lines
WHERE type = 'report';

-- Lines of which the host says that they are missing, and each run's first line.

CREATE TABLE IF NOT EXISTS tcpcong.dropped
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC'),
    from_time DateTime64(9, 'UTC'),
    run UInt64,
    lines UInt64,
    bytes UInt64,
    first_line UInt64,
    last_line UInt64
)
ENGINE = MergeTree
ORDER BY (host, time)
TTL toDateTime(time) + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.dropped_of_lines TO tcpcong.dropped AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    parseDateTime64BestEffort(lines.from_time, 9, 'UTC') AS from_time,
    run, lines, bytes, first_line, last_line
FROM tcpcong.lines
WHERE type = 'dropped';

CREATE TABLE IF NOT EXISTS tcpcong.runs
(
    host LowCardinality(String),
    time DateTime64(9, 'UTC'),
    run UInt64,
    version LowCardinality(String),
    kernel LowCardinality(String),
    attach LowCardinality(String),
    limitations Array(String),
    estimated Bool
)
ENGINE = MergeTree
ORDER BY (host, time)
TTL toDateTime(time) + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.runs_of_lines TO tcpcong.runs AS
SELECT
    host,
    parseDateTime64BestEffort(lines.time, 9, 'UTC') AS time,
    run, version, kernel, attach, limitations, estimated
FROM tcpcong.lines
WHERE type = 'start';

-- How many lines of each host came, of whatever type, by the minute: each run numbers them from
-- 1 without a gap, so what is missing shows.

CREATE TABLE IF NOT EXISTS tcpcong.lines_per_minute
(
    host LowCardinality(String),
    run UInt64 CODEC(ZSTD(1)),
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    lines SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first SimpleAggregateFunction(min, UInt64) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (host, run, minute)
TTL minute + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpcong.minutes_of_lines TO tcpcong.lines_per_minute AS
SELECT
    host,
    run,
    toStartOfMinute(toDateTime(parseDateTime64BestEffort(time, 9, 'UTC'), 'UTC')) AS minute,
    toUInt64(count()) AS lines,
    min(line) AS first,
    max(line) AS last
FROM tcpcong.lines
WHERE type != 'dropped'
GROUP BY host, run, minute;
