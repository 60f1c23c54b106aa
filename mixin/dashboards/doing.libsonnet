// What is it doing? The work of the chosen machines' connections, well or not.
local g = import '../lib/grafana.libsonnet';
local q = import 'queries.libsonnet';

{
  grafanaDashboards+:: {
    'tcpcong-doing.json': g.dashboard(
      $._config,
      'tcpcong-doing',
      'tcpcong / What is it doing?',
      'Connections, their states and transitions, what they carry and how long spells are.',
      [
        g.row('Connections', 8, [
          g.lines(
            'Alive, by state',
            'Connections in each congestion state (icsk_ca_state) when the machines were asked.',
            [g.target(q.now('tcpcong_flows', '', 'state'), '{{state}}')],
            stacked=true
          ),
          g.lines(
            'Begun and ended',
            'Connections each second.',
            [
              g.target(q.sum('tcpcong_flows_started_total'), 'begun'),
              g.target(q.sum('tcpcong_flows_ended_total'), 'ended'),
            ],
            'cps'
          ),
          g.lines(
            'At work',
            'How many connections had data to send or on its way, on average.',
            [g.target(q.sum('tcpcong_busy_seconds_total'), 'busy')]
          ),
        ]),
        g.row('States', 8, [
          g.lines(
            'Outside Open',
            'How many connections were in each state, on average: exact, however short the spells are.',
            [g.target(q.sum('tcpcong_state_seconds_total', 'state!="open"', 'state'), '{{state}}')],
            stacked=true
          ),
          g.lines(
            'Transitions',
            'Each second, by the state that was entered.',
            [g.target(q.sum('tcpcong_transitions_total', '', 'to'), '{{to}}')],
            'cps'
          ),
          g.lines(
            'Causes',
            'Transitions each second, by what caused them.',
            [g.target(q.sum('tcpcong_transitions_total', '', 'cause'), '{{cause}}')],
            'cps'
          ),
        ]),
        g.row('Spells', 8, [
          g.lines(
            'Length, median',
            'Of the spells that ended, by state.',
            [g.target(q.quantile('0.5', '', 'state'), '{{state}}')],
            's'
          ),
          g.lines(
            'Length, the longest hundredth',
            'Of the spells that ended, by state: one in a hundred was longer.',
            [g.target(q.quantile('0.99', '', 'state'), '{{state}}')],
            's'
          ),
          g.lines(
            'The longest that goes on',
            'By state.',
            [g.target(q.max('tcpcong_longest_ongoing_spell_seconds', '', 'state'), '{{state}}')],
            's'
          ),
        ]),
        g.row('Spells in ${state}', 9, [
          g.heatmap(
            'Length, native histogram',
            'Empty where Prometheus does not scrape native histograms: see beside it.',
            q.sum('tcpcong_spell_seconds', 'state="$state"'),
            false
          ),
          g.heatmap(
            'Length, classic buckets',
            'Empty where Prometheus scrapes native histograms only: see beside it.',
            'sum by (le) (increase(%s[$__rate_interval]))' % q.of('tcpcong_spell_seconds_bucket', 'state="$state"'),
            true
          ),
        ]),
        g.row('What they carry', 8, [
          g.lines(
            'Bytes',
            'Acknowledged by peers, and received in order.',
            [
              g.target(q.sum('tcpcong_acked_bytes_total'), 'acknowledged'),
              g.target(q.sum('tcpcong_received_bytes_total'), 'received'),
            ],
            'Bps'
          ),
          g.lines(
            'Segments delivered',
            'By the state in which they were acknowledged.',
            [g.target(q.sum('tcpcong_delivered_segments_total', '', 'state'), '{{state}}')],
            'cps',
            stacked=true
          ),
          g.lines(
            'Segments retransmitted',
            'By the state in which they were sent again.',
            [g.target(q.sum('tcpcong_retransmitted_segments_total', '', 'state'), '{{state}}')],
            'cps',
            stacked=true
          ),
        ]),
        g.row('By ${by}', 8, [
          g.lines(
            'Connections',
            'The ten values with the most. One line without a name: the service runs without --by ${by}.',
            [g.target(q.top(10, q.now('tcpcong_flows', '', '$by')), '{{$by}}')]
          ),
          g.lines(
            'Bytes acknowledged',
            'The ten values with the most.',
            [g.target(q.top(10, q.sum('tcpcong_acked_bytes_total', '', '$by')), '{{$by}}')],
            'Bps'
          ),
          g.lines(
            'At work',
            'How many connections had data to send or on its way, on average: the ten values with the most.',
            [g.target(q.top(10, q.sum('tcpcong_busy_seconds_total', '', '$by')), '{{$by}}')]
          ),
        ]),
        g.row('What asks and what is sent', 7, [
          g.lines(
            'Requests',
            'Answered by the service, by code.',
            [g.target(q.sum('tcpcong_http_requests_total', '', 'code'), '{{code}}')],
            'reqps'
          ),
          g.lines(
            'Connections closed unanswered',
            'By reason.',
            [g.target(q.sum('tcpcong_http_connections_rejected_total', '', 'reason'), '{{reason}}')],
            'cps'
          ),
          g.lines(
            'OTLP',
            'Pushes, by what became of them.',
            [g.target(q.sum('tcpcong_otlp_exports_total', '', 'result'), '{{result}}')],
            'cps'
          ),
          g.lines(
            'Lines',
            'Flow, transition and verdict lines.',
            [
              g.target(q.sum('tcpcong_lines_written_total'), 'written'),
              g.target(q.sum('tcpcong_lines_dropped_total'), 'dropped'),
            ],
            'cps'
          ),
        ]),
      ],
      [
        g.choice('state', 'State', ['open', 'disorder', 'cwr', 'recovery', 'loss'], 'loss'),
        g.choice('by', '--by', q.keys, 'unit'),
      ]
    ),
  },
}
