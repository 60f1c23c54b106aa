//! The one table of all metrics, which docs/metrics.md follows. Not here: where their values
//! come from.

use super::metric::{Kind, Metric, Unit};

const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, unit, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, unit, kind: Kind::Gauge, help }
}

const fn info(name: &'static str, help: &'static str) -> Metric {
    Metric { name, unit: Unit::None, kind: Kind::Info, help }
}

macro_rules! metrics {
    ($($constant:ident = $make:expr;)*) => {
        $(pub(in crate::serve) static $constant: Metric = $make;)*

        /// All of them.
        #[cfg(test)]
        pub(in crate::serve) static ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    STATE = counter("tcpcong_state", Unit::Seconds, "time that connections spent in each congestion state, ongoing spells included (icsk_ca_state)");
    FLOWS = gauge("tcpcong_flows", Unit::None, "connections alive, by the congestion state that they are in (icsk_ca_state)");
    FLOWS_STARTED = counter("tcpcong_flows_started", Unit::None, "connections that began, or were met at the start");
    FLOWS_ENDED = counter("tcpcong_flows_ended", Unit::None, "connections that ended");
    TRANSITIONS = counter("tcpcong_transitions", Unit::None, "transitions between congestion states, and Loss set again, by cause (tcp_set_ca_state)");
    UNDONE = counter("tcpcong_undone", Unit::None, "reductions that were undone as nothing had been lost, by how that was found (tcp_undo_cwnd_reduction)");
    RTOS = counter("tcpcong_rtos", Unit::None, "retransmission timeouts: Loss entered, or set again (tcp_enter_loss)");
    REPEATED_RTOS = counter("tcpcong_repeated_rtos", Unit::None, "retransmission timeouts while in Loss (tcp_enter_loss)");
    WAITED = counter("tcpcong_waited", Unit::Seconds, "before timeouts: time since the last acknowledgement or transmission, by state (rcv_tstamp, lsndtime)");
    UNCERTAIN = counter("tcpcong_uncertain", Unit::Seconds, "time that may stand in a wrong state, as transitions were missed");
    SPELL = Metric { name: "tcpcong_spell", unit: Unit::Seconds, kind: Kind::Histogram, help: "length of the spells in each congestion state that ended (icsk_ca_state)" };
    LONGEST_ONGOING_SPELL = gauge("tcpcong_longest_ongoing_spell", Unit::Seconds, "length of the longest spell in each congestion state that goes on (icsk_ca_state)");
    BUSY = counter("tcpcong_busy", Unit::Seconds, "time with data to send or on its way (chrono_stat)");
    LIMITED = counter("tcpcong_limited", Unit::Seconds, "time with data to send and the receiver's window full, or the send buffer too small (chrono_stat)");
    DELIVERED = counter("tcpcong_delivered_segments", Unit::None, "segments acknowledged, by the state in which (delivered)");
    RETRANSMITTED = counter("tcpcong_retransmitted_segments", Unit::None, "segments retransmitted, by the state in which (total_retrans)");
    ACKED = counter("tcpcong_acked", Unit::Bytes, "bytes that peers acknowledged (bytes_acked)");
    RECEIVED = counter("tcpcong_received", Unit::Bytes, "bytes that came from peers, in order (bytes_received)");
    CE = counter("tcpcong_ce_segments", Unit::None, "segments that arrived at peers with an ECN mark (delivered_ce)");
    DSACK = counter("tcpcong_dsack_segments", Unit::None, "segments that peers reported to have twice (dsack_dups)");
    OVERTAKEN = counter("tcpcong_overtaken_segments", Unit::None, "segments that arrived at peers behind later ones (reord_seen)");
    OUT_OF_ORDER = counter("tcpcong_out_of_order_segments", Unit::None, "segments that came while others before them were missing (rcv_ooopack)");
    EXACT = gauge("tcpcong_exact", Unit::None, "1 where nothing that bears on the figures was missed in the last minute, or interval where that is longer");
    ESTIMATED = gauge("tcpcong_estimated", Unit::None, "1 where sockets are sampled: times are estimates, counts are lower bounds");
    FLOWS_REFUSED = counter("tcpcong_flows_refused", Unit::None, "connections that are not followed, for want of room");
    BIRTHS_MISSED = counter("tcpcong_births_missed", Unit::None, "connections whose beginning was not seen");
    ENDS_MISSED = counter("tcpcong_ends_missed", Unit::None, "connections whose end was not seen");
    TRANSITIONS_MISSED = counter("tcpcong_transitions_missed", Unit::None, "transitions learned of only afterwards, from the socket's state");
    EVENTS_UNACCOUNTED = counter("tcpcong_events_unaccounted", Unit::None, "events of connections that are not followed");
    ROWS_LOST = counter("tcpcong_rows_lost", Unit::None, "ended connections, transitions and spells that are not shown, as too many waited");
    RECURSION_MISSES = counter("tcpcong_recursion_misses", Unit::None, "runs of a program that the kernel skipped (recursion_misses)");
    CALLS_LOST = counter("tcpcong_calls_lost", Unit::None, "calls whose end was seen and not their beginning");
    ENTRIES_DROPPED = counter("tcpcong_entries_dropped", Unit::None, "entries of the log that were lost, as it was full");
    GAPS = counter("tcpcong_gaps", Unit::None, "how often entries of the log were lost");
    GAP = counter("tcpcong_gap", Unit::Seconds, "how long the times were in which entries of the log were lost");
    SAMPLES_LATE = counter("tcpcong_samples_late", Unit::None, "where sockets are sampled: looks at them that came late");
    NAMESPACES_UNREACHED = gauge("tcpcong_namespaces_unreached", Unit::None, "network namespaces that could not be entered");
    BUILD = info("tcpcong_build", "the version of tcpcong");
    ATTACH = info("tcpcong_attach", "by which hook transitions are learned of, on which kernel");
    LIMITATIONS = gauge("tcpcong_limitations", Unit::None, "what this hook does not see on this kernel: how many kinds of things");
    UPDATED = gauge("tcpcong_updated", Unit::TimestampSeconds, "up to when the figures are");
    GROUPS = gauge("tcpcong_groups", Unit::None, "values of the label that --by adds");
    GROUPS_LIMIT = gauge("tcpcong_groups_limit", Unit::None, "how many values of that label there may be");
    FLOWS_IN_OTHER = counter("tcpcong_flows_in_other", Unit::None, "connections that began and are counted in the value other, for want of room");
    LOG_SIZE = gauge("tcpcong_log_size", Unit::Bytes, "room for entries in the kernel");
    LOG_FILL = gauge("tcpcong_log_fill", Unit::Ratio, "how full that was at most in the last minute");
    BPF_RUN = counter("tcpcong_bpf_run", Unit::Seconds, "time in the programs, where kernel.bpf_stats_enabled is 1 (run_time_ns)");
    BPF_RUNS = counter("tcpcong_bpf_runs", Unit::None, "runs of the programs, where kernel.bpf_stats_enabled is 1 (run_cnt)");
    HTTP_REQUESTS = counter("tcpcong_http_requests", Unit::None, "requests answered, by status code");
    HTTP_REJECTED = counter("tcpcong_http_connections_rejected", Unit::None, "connections of clients that were closed without an answer");
    OTLP_EXPORTS = counter("tcpcong_otlp_exports", Unit::None, "snapshots for the OTLP receiver, by what became of them");
    LINES_WRITTEN = counter("tcpcong_lines_written", Unit::None, "lines that were written");
    LINES_DROPPED = counter("tcpcong_lines_dropped", Unit::None, "lines for which there was no room");
    PROCESS_CPU = counter("process_cpu", Unit::Seconds, "time of this process's threads on CPUs (getrusage)");
    PROCESS_MEMORY = gauge("process_resident_memory", Unit::Bytes, "memory of this process (/proc/self/statm)");
    PROCESS_FDS = gauge("process_open_fds", Unit::None, "files that this process has open (/proc/self/fd)");
    PROCESS_START = gauge("process_start_time", Unit::Seconds, "when this process began, seconds since 1970");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_documentation_has_every_metric_with_its_kind_and_no_other() {
        let text = include_str!("../../../docs/metrics.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut documented = BTreeMap::new();
        for row in rows {
            let mut cells = row.split('|').map(str::trim);
            let names = cells.next().unwrap_or_default();
            let kind = cells.next().unwrap_or_default();
            for name in names.split(", ") {
                documented.insert(name.trim_matches('`').to_owned(), kind.to_owned());
            }
        }
        for metric in ALL {
            let name = metric.full_name();
            let kind = documented.remove(&name).unwrap_or_else(|| panic!("{name}"));
            let said = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge | Kind::Info => "gauge",
                Kind::Histogram => "histogram",
            };
            assert!(kind.is_empty() || kind == said, "{name}: {kind}");
        }
        assert!(documented.is_empty(), "{documented:?}");
    }
}
