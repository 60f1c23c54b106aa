-- Lines of many hosts as they lie in files: lines*.jsonl* here, those of a rotation and compressed ones (.gz, .zst) too. No
-- table is made; each query reads the files.
--
--     duckdb -init views.sql < queries.sql
--
-- docs/json.md says what each column is; times are in UTC.

CREATE OR REPLACE VIEW lines AS
SELECT *
FROM read_json(
    'lines*.jsonl*',
    format = 'newline_delimited',
    columns = {
        type: 'VARCHAR', host: 'VARCHAR', run: 'UBIGINT', line: 'UBIGINT', time: 'TIMESTAMP_NS',
        interval_ns: 'UBIGINT',
        -- Which connection.
        family: 'VARCHAR', laddr: 'VARCHAR', lport: 'USMALLINT', raddr: 'VARCHAR',
        rport: 'USMALLINT', netns: 'UBIGINT', cookie: 'UBIGINT', cgroup_id: 'UBIGINT',
        pid: 'UINTEGER', comm: 'VARCHAR', cc: 'VARCHAR', prefix: 'VARCHAR', netns_name: 'VARCHAR',
        cgroup: 'VARCHAR', unit: 'VARCHAR', container: 'VARCHAR', pod: 'VARCHAR',
        -- Of flows, and their sums in reports.
        state: 'VARCHAR', open_ns: 'UBIGINT', disorder_ns: 'UBIGINT', cwr_ns: 'UBIGINT',
        recovery_ns: 'UBIGINT', loss_ns: 'UBIGINT', changes: 'UBIGINT', rtos: 'UBIGINT',
        repeated_rtos: 'UBIGINT', spell_ns: 'UBIGINT', exact: 'BOOLEAN', uncertain_ns: 'UBIGINT',
        ended: 'BOOLEAN', busy_ns: 'UBIGINT', rwnd_limited_ns: 'UBIGINT',
        sndbuf_limited_ns: 'UBIGINT', delivered: 'UBIGINT', retrans: 'UBIGINT',
        waited_ns: 'UBIGINT', waited_loss_ns: 'UBIGINT', acked_bytes: 'UBIGINT',
        received_bytes: 'UBIGINT', rate: 'UBIGINT', rtt_ns: 'UBIGINT', rtt_min_ns: 'UBIGINT', cwnd: 'UINTEGER',
        -- Of transitions.
        at_ns: 'UBIGINT', "from": 'VARCHAR', "to": 'VARCHAR', cause: 'VARCHAR',
        undo_by: 'VARCHAR', cwnd_before: 'UINTEGER', cwnd_after: 'UINTEGER',
        ssthresh_before: 'UINTEGER', ssthresh_after: 'UINTEGER', srtt_us: 'UINTEGER',
        in_flight: 'UINTEGER', lost: 'UINTEGER', retransmitted: 'UINTEGER',
        rtt_min_us: 'UINTEGER', delivery_rate: 'UBIGINT', cwnd_limited: 'BOOLEAN',
        app_limited: 'BOOLEAN', unsent: 'UBIGINT',
        -- Of verdicts.
        verdict: 'VARCHAR', confidence: 'VARCHAR', second: 'VARCHAR', "end": 'VARCHAR',
        because: 'VARCHAR', next_step: 'VARCHAR', watched_ns: 'UBIGINT', held_up_ns: 'UBIGINT',
        cost_ns: 'UBIGINT', timeouts: 'UBIGINT', recoveries: 'UBIGINT', outage_ns: 'UBIGINT',
        -- Of reports.
        flows: 'UBIGINT', flows_filtered_out: 'UBIGINT', flows_alive: 'UBIGINT',
        flows_quiet: 'UBIGINT', flows_ended: 'UBIGINT', inexact_flows: 'UBIGINT',
        flows_refused: 'UBIGINT', births_missed: 'UBIGINT', ends_missed: 'UBIGINT',
        transitions_missed: 'UBIGINT', events_unaccounted: 'UBIGINT', rows_lost: 'UBIGINT',
        recursion_misses: 'UBIGINT', entries_dropped: 'UBIGINT', gap_ns: 'UBIGINT',
        namespaces_unreached: 'UBIGINT',
        -- Of reports, and of the beginning of a run: sockets are sampled, times are estimates.
        estimated: 'BOOLEAN',
        -- Of lines that were dropped.
        from_time: 'TIMESTAMP_NS', lines: 'UBIGINT', bytes: 'UBIGINT', first_line: 'UBIGINT',
        last_line: 'UBIGINT',
        -- Of the beginning of a run.
        version: 'VARCHAR', kernel: 'VARCHAR', attach: 'VARCHAR', limitations: 'VARCHAR[]'
    });

CREATE OR REPLACE VIEW flows AS SELECT * FROM lines WHERE type = 'flow';
CREATE OR REPLACE VIEW transitions AS SELECT * FROM lines WHERE type = 'transition';
CREATE OR REPLACE VIEW verdicts AS SELECT * FROM lines WHERE type = 'verdict';
CREATE OR REPLACE VIEW reports AS SELECT * FROM lines WHERE type = 'report';
