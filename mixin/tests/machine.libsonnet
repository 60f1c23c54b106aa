// The metrics of one machine over time, a value each minute, as promtool's tests write them.
// What is given replaces what a calm machine has; null takes a series away.
local own = 'job="tcpcong", instance="a:10044"';

// So much a minute.
local grows(by, minutes) = '0+' + by + 'x' + minutes;
local stays(value, minutes) = value + '+0x' + minutes;

local calm(minutes) =
  local counter = function(by) grows(by, minutes);
  local gauge = function(value) stays(value, minutes);
  {
    // Ten connections of a hundred are busy, on average; one is in Recovery.
    'tcpcong_state_seconds_total{state="open"}': counter(6000),
    'tcpcong_state_seconds_total{state="disorder"}': counter(6),
    'tcpcong_state_seconds_total{state="cwr"}': counter(1),
    'tcpcong_state_seconds_total{state="recovery"}': counter(60),
    'tcpcong_state_seconds_total{state="loss"}': counter('0.6'),
    tcpcong_busy_seconds_total: counter(600),
    'tcpcong_limited_seconds_total{limit="rwnd"}': counter(30),
    'tcpcong_limited_seconds_total{limit="sndbuf"}': counter(0),
    'tcpcong_waited_seconds_total{state="open"}': counter('0.5'),
    'tcpcong_waited_seconds_total{state="loss"}': counter(0),
    tcpcong_flows_started_total: counter(600),
    'tcpcong_transitions_total{from="open",to="recovery",cause="fast-retransmit"}': counter(60),
    'tcpcong_transitions_total{from="open",to="loss",cause="rto"}': counter(1),
    'tcpcong_transitions_total{from="loss",to="open",cause="recovered"}': counter(1),
    'tcpcong_transitions_total{from="open",to="loss",cause="syn-timeout"}': counter(0),
    'tcpcong_transitions_total{from="open",to="cwr",cause="local-drop"}': counter(0),
    tcpcong_rtos_total: counter(1),
    tcpcong_repeated_rtos_total: counter(0),
    'tcpcong_undone_total{from="recovery",how="dsack"}': counter(1),
    'tcpcong_spell_seconds_bucket{state="loss",le="0.5"}': counter(1),
    'tcpcong_spell_seconds_bucket{state="loss",le="4"}': counter(1),
    'tcpcong_spell_seconds_bucket{state="loss",le="16"}': counter(1),
    'tcpcong_spell_seconds_bucket{state="loss",le="+Inf"}': counter(1),
    'tcpcong_delivered_segments_total{state="open"}': counter(100000),
    'tcpcong_retransmitted_segments_total{state="recovery"}': counter(500),
    tcpcong_ce_segments_total: counter(0),

    up: gauge(1),
    tcpcong_updated_timestamp_seconds: counter(60),
    tcpcong_entries_dropped_total: counter(0),
    tcpcong_log_fill_ratio: gauge('0.01'),
    tcpcong_flows_refused_total: counter(0),
    tcpcong_transitions_missed_total: counter('0.1'),
    tcpcong_births_missed_total: counter(0),
    tcpcong_ends_missed_total: counter(0),
    tcpcong_namespaces_unreached: gauge(0),
    'tcpcong_flows_in_other_total{key="unit"}': counter(1),
    'tcpcong_otlp_exports_total{result="sent"}': counter(4),
    'tcpcong_otlp_exports_total{result="failed"}': counter(0),
    'tcpcong_otlp_exports_total{result="dropped"}': counter(0),
    tcpcong_lines_dropped_total: counter(0),
    tcpcong_estimated: gauge(0),
    process_cpu_seconds_total: counter('0.6'),
    tcpcong_bpf_run_seconds_total: counter('0.1'),
  };

local named(name) =
  if std.length(std.findSubstr('{', name)) == 0 then '%s{%s}' % [name, own]
  else std.strReplace(name, '{', '{%s, ' % own);

// Once, and not for each scenario: it takes the time.
local names = { [name]: named(name) for name in std.objectFields(calm(0)) };

{
  grows: grows,
  stays: stays,
  labels: { job: 'tcpcong', instance: 'a:10044' },
  series(minutes, changes)::
    local all = calm(minutes) + changes;
    [
      { series: names[name], values: all[name] }
      for name in std.objectFields(all)
      if all[name] != null
    ],
}
