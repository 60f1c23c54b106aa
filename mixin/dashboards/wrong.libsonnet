// What is wrong? Where the time of the chosen machines' connections goes, and why.
local g = import '../lib/grafana.libsonnet';
local q = import 'queries.libsonnet';

// The most of a rate, by machine.
local byMachine(metric, labels='') = [
  g.target(q.top(10, q.sum(metric, labels, 'instance')), '{{instance}}'),
];
local active = 'instance:tcpcong_active_seconds:rate5m';

{
  grafanaDashboards+:: {
    'tcpcong-wrong.json': g.dashboard(
      $._config,
      'tcpcong-wrong',
      'tcpcong / What is wrong?',
      'Where the time of connections goes: Loss and timeouts, Recovery, reductions for nothing, receivers, buffers, queues.',
      [
        g.row('Loss: nothing gets through until a timer runs out', 8, [
          g.lines(
            'Time in Loss',
            'Of the time in which connections had something to do.',
            [g.target(
              q.top(10, q.of('instance_state:tcpcong_active_share:ratio_rate5m', 'state="loss"')),
              '{{instance}}'
            )],
            'percentunit'
          ),
          g.lines(
            'Waited before timeouts',
            'From the last acknowledgement or transmission until the timer ran out, of the time in which connections had something to do. With the time in Loss it is what timeouts cost.',
            [g.target(q.top(10, q.of('instance:tcpcong_waited_share:ratio_rate5m')), '{{instance}}')],
            'percentunit'
          ),
          g.lines(
            'Timeouts',
            'Loss entered, or set again, each second.',
            byMachine('tcpcong_rtos_total'),
            'cps'
          ),
          g.lines(
            'Repeated timeouts',
            'Loss set again while in Loss: retransmissions are lost as well. Many at once are an outage.',
            byMachine('tcpcong_repeated_rtos_total'),
            'cps'
          ),
          g.lines(
            'SYNs without an answer',
            'Connections that were not answered before the first timeout, of those that began.',
            [g.target(
              q.top(10, q.share(
                q.sum('tcpcong_transitions_total', 'from="open", cause="syn-timeout"', 'instance'),
                q.sum('tcpcong_flows_started_total', '', 'instance')
              )),
              '{{instance}}'
            )],
            'percentunit'
          ),
          g.lines(
            'The longest spell in Loss that goes on',
            'One peer that is gone suffices. The kernel gives up after a quarter of an hour or so (tcp_retries2).',
            [g.target(
              q.top(10, q.max('tcpcong_longest_ongoing_spell_seconds', 'state="loss"', 'instance')),
              '{{instance}}'
            )],
            's'
          ),
        ], width=8),
        g.row('Recovery: lost segments are retransmitted', 8, [
          g.lines(
            'Time in Recovery',
            'Of the time in which connections had something to do.',
            [g.target(
              q.top(10, q.of('instance_state:tcpcong_active_share:ratio_rate5m', 'state="recovery"')),
              '{{instance}}'
            )],
            'percentunit'
          ),
          g.lines(
            'Retransmitted',
            'Segments retransmitted for each that was delivered.',
            [g.target(q.top(10, q.of('instance:tcpcong_retransmitted_share:ratio_rate5m')), '{{instance}}')],
            'percentunit'
          ),
          g.lines(
            'What reduces windows',
            'Transitions to CWR, Recovery and Loss each second, by cause.',
            [g.target(
              q.sum('tcpcong_transitions_total', 'from=~"open|disorder|cwr", to=~"cwr|recovery|loss"', 'to, cause'),
              '{{to}}: {{cause}}'
            )],
            'cps'
          ),
        ]),
        g.row('For nothing: no segment was lost', 8, [
          g.lines(
            'Undone',
            'Of the recoveries and timeouts, those that were undone.',
            [g.target(q.top(10, q.of('instance:tcpcong_undone_share:ratio_rate30m')), '{{instance}}')],
            'percentunit'
          ),
          g.lines(
            'Undone, by what showed it',
            'Duplicates that were reported (DSACK), time stamps, or F-RTO, each second.',
            [g.target(q.undone, '{{from}}: {{how}}')],
            'cps'
          ),
          g.lines(
            'Reordering',
            'Segments that peers had twice, that arrived behind later ones, and that came to this machine while others were missing, each second.',
            [
              g.target(q.sum('tcpcong_dsack_segments_total'), 'twice'),
              g.target(q.sum('tcpcong_overtaken_segments_total'), 'behind later ones'),
              g.target(q.sum('tcpcong_out_of_order_segments_total'), 'here, others missing'),
            ],
            'cps'
          ),
        ]),
        g.row('Not the path: receivers, buffers, queues', 8, [
          g.lines(
            'Receivers',
            'Of the time with data to send: the window of the receiver was full.',
            [g.target(
              q.top(10, q.of('instance_limit:tcpcong_limited_share:ratio_rate5m', 'limit="rwnd"')),
              '{{instance}}'
            )],
            'percentunit'
          ),
          g.lines(
            'Send buffers',
            'Of the time with data to send: the send buffer was too small.',
            [g.target(
              q.top(10, q.of('instance_limit:tcpcong_limited_share:ratio_rate5m', 'limit="sndbuf"')),
              '{{instance}}'
            )],
            'percentunit'
          ),
          g.lines(
            'ECN marks',
            'Of the segments delivered, those marked: a queue on the way is full.',
            [g.target(q.top(10, q.of('instance:tcpcong_ce_share:ratio_rate5m')), '{{instance}}')],
            'percentunit'
          ),
          g.lines(
            'Dropped by the machine itself',
            'Windows reduced because a queue of the machine refused a packet, each second.',
            byMachine('tcpcong_transitions_total', 'cause="local-drop"'),
            'cps'
          ),
        ]),
        g.row('By ${by}', 8, [
          g.lines(
            'Loss',
            'How many connections were in Loss, on average: the ten values with the most. One line without a name: the service runs without --by ${by}.',
            [g.target(q.top(10, q.sum('tcpcong_state_seconds_total', 'state="loss"', '$by')), '{{$by}}')]
          ),
          g.lines(
            'Recovery',
            'How many connections were in Recovery, on average: the ten values with the most.',
            [g.target(q.top(10, q.sum('tcpcong_state_seconds_total', 'state="recovery"', '$by')), '{{$by}}')]
          ),
          g.lines(
            'Retransmitted',
            'Segments each second: the ten values with the most.',
            [g.target(q.top(10, q.sum('tcpcong_retransmitted_segments_total', '', '$by')), '{{$by}}')],
            'cps'
          ),
        ]),
      ],
      [g.choice('by', '--by', q.keys, 'unit')]
    ),
  },
}
