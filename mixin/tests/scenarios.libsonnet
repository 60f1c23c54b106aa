// What happens to a machine, and which alerts then fire, with what they say; all others stay
// silent. It goes on from the first minute, or the one in `since`, to the last.
local m = import 'machine.libsonnet';

// Two hours.
local now = 120;
local counter(by) = m.grows(by, now);
local gauge(value) = m.stays(value, now);
// A day as ever, then half an hour of something else; so much a minute.
local afterwards(before, after) =
  '0+%sx1500 %s+%sx60' % [before, before * 1500 + after, after];
local day = { minutes: 1560, since: 1500 };

[
  { name: 'a calm machine', series: {}, fires: {} },
  {
    name: 'a machine that is just below every threshold',
    series: {
      'tcpcong_state_seconds_total{state="recovery"}': counter(400),
      'tcpcong_state_seconds_total{state="loss"}': counter(66),
      tcpcong_busy_seconds_total: counter(1400),
      tcpcong_repeated_rtos_total: counter(10),
      'tcpcong_limited_seconds_total{limit="rwnd"}': counter(400),
      'tcpcong_limited_seconds_total{limit="sndbuf"}': counter(135),
      'tcpcong_waited_seconds_total{state="open"}': counter(66),
      // Waited in Loss is in Loss: not counted twice.
      'tcpcong_waited_seconds_total{state="loss"}': counter(48),
      'tcpcong_transitions_total{from="open",to="loss",cause="syn-timeout"}': counter(115),
      'tcpcong_transitions_total{from="open",to="cwr",cause="local-drop"}': counter(5),
      'tcpcong_undone_total{from="recovery",how="dsack"}': counter(50),
      tcpcong_ce_segments_total: counter(4900),
      tcpcong_updated_timestamp_seconds: '-55+60x%d' % now,
      tcpcong_log_fill_ratio: gauge('0.7'),
      tcpcong_transitions_missed_total: counter('1.5'),
      'tcpcong_transitions_total{from="loss",to="open",cause="recovered"}': counter(10),
      'tcpcong_spell_seconds_bucket{state="loss",le="0.5"}': counter(0),
      'tcpcong_spell_seconds_bucket{state="loss",le="4"}': counter(10),
      'tcpcong_spell_seconds_bucket{state="loss",le="16"}': counter(10),
      'tcpcong_spell_seconds_bucket{state="loss",le="+Inf"}': counter(10),
      'tcpcong_flows_in_other_total{key="unit"}': counter(29),
      process_cpu_seconds_total: counter(14),
    },
    fires: {},
  },
  {
    name: 'much of little: a few connections that suffer in every way, on an idle machine',
    series: {
      'tcpcong_state_seconds_total{state="disorder"}': counter(0),
      'tcpcong_state_seconds_total{state="cwr"}': counter(0),
      'tcpcong_state_seconds_total{state="recovery"}': counter(280),
      'tcpcong_state_seconds_total{state="loss"}': counter(54),
      tcpcong_busy_seconds_total: counter(54),
      'tcpcong_limited_seconds_total{limit="rwnd"}': counter(40),
      'tcpcong_limited_seconds_total{limit="sndbuf"}': counter(10),
      'tcpcong_waited_seconds_total{state="open"}': counter(25),
      'tcpcong_transitions_total{from="open",to="recovery",cause="fast-retransmit"}': counter(4),
      'tcpcong_undone_total{from="recovery",how="dsack"}': counter(3),
      tcpcong_repeated_rtos_total: counter(1),
      tcpcong_transitions_missed_total: counter(0),
    },
    fires: {},
  },
  {
    name: 'few connections begin, and half of them are not answered',
    series: {
      tcpcong_flows_started_total: counter(10),
      'tcpcong_flows_in_other_total{key="unit"}': counter(0),
      'tcpcong_transitions_total{from="open",to="loss",cause="syn-timeout"}': counter(5),
    },
    fires: {},
  },
  {
    name: 'nothing gets through',
    series: {
      'tcpcong_state_seconds_total{state="loss"}': counter(480),
      tcpcong_repeated_rtos_total: counter(20),
    },
    fires: {
      TcpcongOutage: 'Connections of a:10044 that had something to do were in Loss for 80% of the time, and their timeouts repeat: nothing gets through.',
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 80% of the time.',
    },
  },
  {
    name: 'nearly half of the time in Loss',
    series: {
      'tcpcong_state_seconds_total{state="loss"}': counter(288),
      tcpcong_repeated_rtos_total: counter(20),
    },
    fires: {
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 48% of the time.',
    },
  },
  {
    name: 'half of the time in Loss, of few connections',
    series: {
      'tcpcong_state_seconds_total{state="recovery"}': counter(0),
      'tcpcong_state_seconds_total{state="loss"}': counter(174),
      tcpcong_busy_seconds_total: counter(240),
      tcpcong_repeated_rtos_total: counter(20),
    },
    fires: {
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 72.5% of the time.',
    },
  },
  {
    name: 'most of the time in Loss, and each timeout is answered',
    series: { 'tcpcong_state_seconds_total{state="loss"}': counter(480) },
    fires: {
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 80% of the time.',
    },
  },
  {
    name: 'nothing is answered, so that no connection has data to send',
    series: {
      'tcpcong_state_seconds_total{state="disorder"}': counter(0),
      'tcpcong_state_seconds_total{state="cwr"}': counter(0),
      'tcpcong_state_seconds_total{state="recovery"}': counter(0),
      'tcpcong_state_seconds_total{state="loss"}': counter(240),
      tcpcong_busy_seconds_total: counter(0),
      'tcpcong_limited_seconds_total{limit="rwnd"}': counter(0),
      tcpcong_repeated_rtos_total: counter(20),
    },
    fires: {
      TcpcongOutage: 'Connections of a:10044 that had something to do were in Loss for 100% of the time, and their timeouts repeat: nothing gets through.',
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 100% of the time.',
    },
  },
  {
    name: 'a tenth of the time in Loss',
    series: { 'tcpcong_state_seconds_total{state="loss"}': counter(60) },
    fires: {
      TcpcongTimeInLoss: 'Connections of a:10044 that had something to do were in Loss for 10% of the time.',
    },
  },
  day {
    name: 'six times as many timeouts as in the day before',
    series: { tcpcong_rtos_total: afterwards(30, 180) },
    fires: {
      TcpcongTimeoutSurge: 'a:10044 has 3.0 retransmission timeouts a second, several times as many as in the day before.',
    },
  },
  day {
    name: 'eight times as many timeouts, which are still few',
    series: { tcpcong_rtos_total: afterwards(6, 48) },
    fires: {},
  },
  day {
    name: 'four times as many timeouts as in the day before',
    series: { tcpcong_rtos_total: afterwards(30, 120) },
    fires: {},
  },
  {
    name: 'every other connection is not answered',
    series: { 'tcpcong_transitions_total{from="open",to="loss",cause="syn-timeout"}': counter(300) },
    fires: {
      TcpcongHandshakeTimeouts: 'Of the connections that began on a:10044, 50% had no answer to their SYN in time.',
    },
  },
  {
    name: 'a tail of long spells in Loss',
    series: {
      'tcpcong_transitions_total{from="loss",to="open",cause="recovered"}': counter(10),
      'tcpcong_spell_seconds_bucket{state="loss",le="0.5"}': counter(8),
      'tcpcong_spell_seconds_bucket{state="loss",le="4"}': counter(9),
      'tcpcong_spell_seconds_bucket{state="loss",le="16"}': counter(10),
      'tcpcong_spell_seconds_bucket{state="loss",le="+Inf"}': counter(10),
    },
    fires: {
      TcpcongLongLoss: 'One in a hundred spells in Loss on a:10044 lasted 14.8s or longer.',
    },
  },
  {
    name: 'one long spell in Loss, too few to be a tail',
    series: {
      'tcpcong_transitions_total{from="loss",to="open",cause="recovered"}': counter('0.5'),
      'tcpcong_spell_seconds_bucket{state="loss",le="0.5"}': counter('0.4'),
      'tcpcong_spell_seconds_bucket{state="loss",le="4"}': counter('0.45'),
      'tcpcong_spell_seconds_bucket{state="loss",le="16"}': counter('0.5'),
      'tcpcong_spell_seconds_bucket{state="loss",le="+Inf"}': counter('0.5'),
    },
    fires: {},
  },
  {
    name: 'most of the time in Recovery',
    series: { 'tcpcong_state_seconds_total{state="recovery"}': counter(330) },
    fires: {
      TcpcongTimeInRecovery: 'Connections of a:10044 that had something to do were in Recovery for 55% of the time.',
    },
  },
  {
    name: 'windows are reduced for nothing',
    series: { 'tcpcong_undone_total{from="recovery",how="dsack"}': counter('30.5') },
    fires: {
      TcpcongSpuriousRetransmissions: 'Of the recoveries and timeouts on a:10044, 50% were undone: nothing had been lost.',
    },
  },
  {
    name: 'a tenth of the time waiting for timers',
    series: { 'tcpcong_waited_seconds_total{state="open"}': counter(60) },
    fires: {
      TcpcongWaiting: 'Connections of a:10044 that had something to do spent 10% of the time waiting for a timeout, before Loss began.',
    },
  },
  {
    name: 'receivers do not read',
    series: { 'tcpcong_limited_seconds_total{limit="rwnd"}': counter(360) },
    fires: {
      TcpcongReceiversLimit: 'Connections of a:10044 with data to send were held up by a full receive window for 60% of the time.',
    },
  },
  {
    name: 'send buffers are small',
    series: { 'tcpcong_limited_seconds_total{limit="sndbuf"}': counter(120) },
    fires: {
      TcpcongSendBuffersLimit: 'Connections of a:10044 with data to send were held up by their send buffer for 20% of the time.',
    },
  },
  day {
    name: 'four times as many marks as in the day before',
    series: { tcpcong_ce_segments_total: afterwards(5000, 20000) },
    fires: {
      TcpcongEcnSurge: 'Of the segments that a:10044 delivered, 20% were marked, several times as many as in the day before: a queue on the way is full.',
    },
  },
  day {
    name: 'eight times as many marks, which are still few',
    series: { tcpcong_ce_segments_total: afterwards(500, 4000) },
    fires: {},
  },
  day {
    name: 'two and a half times as many marks as in the day before',
    series: { tcpcong_ce_segments_total: afterwards(5000, 12500) },
    fires: {},
  },
  {
    name: 'marks as ever, as with DCTCP',
    series: { tcpcong_ce_segments_total: counter(20000) },
    fires: {},
  },
  {
    name: 'the machine drops what it sends',
    series: { 'tcpcong_transitions_total{from="open",to="cwr",cause="local-drop"}': counter(60) },
    fires: {
      TcpcongLocalDrops: 'A queue of a:10044 itself, not of the network, refuses packets: 1.0 times a second a window was reduced for that.',
    },
  },
  {
    name: 'the service is down',
    series: { up: gauge(0), tcpcong_updated_timestamp_seconds: null },
    fires: {
      TcpcongDown: 'tcpcong on a:10044 has not answered Prometheus: nothing is known of its connections.',
    },
  },
  {
    name: 'no target is left',
    series: { up: null },
    labels: { job: 'tcpcong' },
    fires: {
      TcpcongAbsent: 'Prometheus asks no machine for the metrics of tcpcong: none of the other alerts can fire.',
    },
  },
  {
    name: 'the figures stand still',
    series: { tcpcong_updated_timestamp_seconds: gauge(0) },
    fires: { TcpcongStuck: 'The figures of a:10044 are 2h 0m 0s old.' },
  },
  {
    name: 'the log overflows',
    series: { tcpcong_entries_dropped_total: counter(20), tcpcong_log_fill_ratio: gauge(1) },
    fires: {
      TcpcongEntriesDropped: 'tcpcong on a:10044 lost 300 entries in a quarter of an hour, as its log was full.',
      TcpcongLogNearlyFull: 'The log of tcpcong on a:10044 was 100% full.',
    },
  },
  {
    name: 'the log is nearly full',
    series: { tcpcong_log_fill_ratio: gauge('0.8') },
    fires: { TcpcongLogNearlyFull: 'The log of tcpcong on a:10044 was 80% full.' },
  },
  {
    name: 'too many connections',
    series: { tcpcong_flows_refused_total: counter(4) },
    fires: {
      TcpcongFlowsRefused: 'tcpcong on a:10044 had no room for 60 connections in a quarter of an hour.',
    },
  },
  {
    name: 'transitions are missed',
    series: { tcpcong_transitions_missed_total: counter('3.1') },
    fires: {
      TcpcongMissed: 'For each transition on a:10044 that tcpcong saw, it missed 5% of one, or a birth or an end.',
    },
  },
  {
    name: 'namespaces that cannot be entered',
    series: { tcpcong_namespaces_unreached: gauge(3) },
    fires: {
      TcpcongNamespacesUnreached: 'tcpcong on a:10044 could not enter 3 network namespaces: connections that were open there before it started show from their first event on.',
    },
  },
  {
    name: 'more groups than there may be',
    series: { 'tcpcong_flows_in_other_total{key="unit"}': counter(150) },
    fires: {
      TcpcongGroupsFull: 'Of the connections that began on a:10044, 25% are in the series `other`: the label of --by has more values than --by-limit.',
    },
  },
  {
    name: 'the receiver of OTLP is gone',
    series: {
      'tcpcong_otlp_exports_total{result="sent"}': counter(0),
      'tcpcong_otlp_exports_total{result="failed"}': counter(4),
    },
    fires: { TcpcongOtlpFailing: '60 pushes of a:10044 failed or were dropped in a quarter of an hour.' },
  },
  {
    name: 'whatever takes lines is too slow',
    series: { tcpcong_lines_dropped_total: counter(10) },
    fires: { TcpcongLinesDropped: 'tcpcong on a:10044 dropped 150 lines in a quarter of an hour.' },
  },
  {
    name: 'no right to trace',
    series: { tcpcong_estimated: gauge(1), tcpcong_bpf_run_seconds_total: null },
    fires: {
      TcpcongEstimated: 'tcpcong on a:10044 runs with --attach sample: times are estimates, counts are lower bounds.',
    },
  },
  {
    name: 'the tool takes half a CPU',
    series: { process_cpu_seconds_total: counter(24), tcpcong_bpf_run_seconds_total: counter(6) },
    fires: { TcpcongCostly: 'tcpcong on a:10044 takes 50% of one CPU.' },
  },
  {
    name: 'the tool takes half a CPU, where the kernel does not count its part',
    series: { process_cpu_seconds_total: counter(30), tcpcong_bpf_run_seconds_total: null },
    fires: { TcpcongCostly: 'tcpcong on a:10044 takes 50% of one CPU.' },
  },
]
