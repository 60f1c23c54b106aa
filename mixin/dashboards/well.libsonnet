// Is it well? The fleet on one page: whether machines suffer, which, and whether the figures
// can be believed. From recording rules, so that a thousand machines are no burden.
local g = import '../lib/grafana.libsonnet';
local q = import 'queries.libsonnet';

local limits(threshold) = [[threshold / 2, 'orange'], [threshold, 'red']];
local share(state) = q.share(
  q.now('instance_state:tcpcong_state_seconds:rate5m', 'state="%s"' % state),
  q.now('instance:tcpcong_active_seconds:rate5m')
);
local machines(labels) = 'count(up{%s}%s) or vector(0)' % [q.selector, labels];
local worst = q.top(20, q.now(
  'instance_state:tcpcong_active_share:ratio_rate5m', 'state="loss"', 'job, instance'
));
local missed = [
  'transitions_missed',
  'births_missed',
  'ends_missed',
  'entries_dropped',
  'flows_refused',
  'events_unaccounted',
  'recursion_misses',
  'calls_lost',
  'rows_lost',
];

{
  grafanaDashboards+:: {
    'tcpcong-well.json':
      local t = $._config.thresholds;
      g.dashboard(
        $._config,
        'tcpcong-well',
        'tcpcong / Is it well?',
        'Whether connections of the fleet suffer, on which machines, and whether the figures can be believed.',
        [
          g.row('Now', 4, [
            g.figure(
              'Time in Loss',
              'Of the time in which connections had something to do, in Loss.',
              share('loss'),
              'percentunit',
              limits(t.timeInLoss.share)
            ),
            g.figure(
              'Time in Recovery',
              'Of the time in which connections had something to do, in Recovery.',
              share('recovery'),
              'percentunit',
              limits(t.timeInRecovery.share)
            ),
            g.figure(
              'Retransmission timeouts',
              'Loss entered, or set again, each second.',
              q.now('instance:tcpcong_rtos:rate5m'),
              'cps'
            ),
            g.figure(
              'Alerts that fire',
              'Critical ones and warnings.',
              'count(ALERTS{alertname=~"Tcpcong.+", alertstate="firing", severity=~"critical|warning"}) or vector(0)',
              'short',
              [[1, 'red']]
            ),
            g.figure('Machines that answer', 'Targets that are up.', machines(' == 1'), 'short'),
            g.figure(
              'Machines that do not',
              'Targets that are down: nothing is known of their connections.',
              machines(' == 0'),
              'short',
              [[1, 'red']]
            ),
          ]),
          g.row('Over time', 8, [
            g.lines(
              'Time outside Open',
              'Of the time in which connections had something to do, by state.',
              [g.target(q.shareBy(
                q.now('instance_state:tcpcong_state_seconds:rate5m', 'state!="open"', 'state'),
                q.now('instance:tcpcong_active_seconds:rate5m'),
                'state'
              ), '{{state}}')],
              'percentunit',
              stacked=true
            ),
            g.lines(
              'Retransmission timeouts',
              'Loss entered, or set again. Repeated ones hit a connection that was in Loss already: an outage.',
              [
                g.target(q.now('instance:tcpcong_rtos:rate5m'), 'all'),
                g.target(q.now('instance:tcpcong_repeated_rtos:rate5m'), 'repeated'),
              ],
              'cps'
            ),
            g.lines(
              'The machines with the most Loss',
              'Of the time in which their connections had something to do.',
              [g.target(
                q.top(10, q.of('instance_state:tcpcong_active_share:ratio_rate5m', 'state="loss"')),
                '{{instance}}'
              )],
              'percentunit'
            ),
          ]),
          g.row('Machines', 12, [
            g.table(
              'The twenty with the most time in Loss',
              'A click on a machine leads to what is wrong with it.',
              [
                g.rows(worst),
                g.rows(q.among(worst, q.now(
                  'instance_state:tcpcong_active_share:ratio_rate5m', 'state="recovery"', 'job, instance'
                ))),
                g.rows(q.among(worst, q.now('instance:tcpcong_rtos:rate5m', '', 'job, instance'))),
                g.rows(q.among(
                  worst, q.now('instance:tcpcong_retransmitted_share:ratio_rate5m', '', 'job, instance')
                )),
                g.rows(q.among(worst, q.max(
                  'instance_state:tcpcong_spell_seconds:p99_30m', 'state="loss"', 'job, instance'
                ))),
              ],
              [
                g.column('Loss', 'percentunit', limits(t.timeInLoss.share)),
                g.column('Recovery', 'percentunit', limits(t.timeInRecovery.share)),
                g.column('Timeouts', 'cps'),
                g.column('Retransmitted', 'percentunit'),
                g.column('Spells in Loss, p99', 's', limits(t.longLoss.seconds)),
              ],
              links=[g.link(
                'What is wrong?',
                '/d/tcpcong-wrong?var-datasource=${datasource}&var-job=${__data.fields.job}&var-instance=${__data.fields.instance}&${__url_time_range}'
              )],
              sort='Loss'
            ),
          ]),
          g.row('Can the figures be believed?', 8, [
            g.lines(
              'What was missed',
              'Each second, of all machines. Nothing where all figures are exact.',
              [g.target(q.sum('tcpcong_%s_total' % name), std.strReplace(name, '_', ' ')) for name in missed]
            ),
            g.lines(
              'Machines with a limit',
              'Machines that only sample, that cannot enter a network namespace, or whose programs do not see all kinds of transitions.',
              [
                g.target('count(%s > 0) or vector(0)' % q.of('tcpcong_estimated'), 'sampling only'),
                g.target(
                  'count(%s > 0) or vector(0)' % q.of('tcpcong_namespaces_unreached'),
                  'namespaces unreached'
                ),
                g.target('count(%s > 0) or vector(0)' % q.of('tcpcong_limitations'), 'limited hook'),
              ]
            ),
            g.lines(
              'The log',
              'How full it was at most, on the fullest machines.',
              [g.target(q.top(5, q.max('tcpcong_log_fill_ratio', '', 'instance')), '{{instance}}')],
              'percentunit'
            ),
          ]),
          g.row('What does the tool cost?', 8, [
            g.lines(
              'CPU',
              'Of one CPU, on the machines where it is the most. That of the programs in the kernel is known where kernel.bpf_stats_enabled is 1.',
              [
                g.target(q.top(5, q.sum('process_cpu_seconds_total', '', 'instance')), '{{instance}}'),
                g.target(
                  q.top(5, q.sum('tcpcong_bpf_run_seconds_total', '', 'instance')),
                  '{{instance}}, in the kernel'
                ),
              ],
              'percentunit'
            ),
            g.lines(
              'Memory',
              'Resident, on the machines where it is the most.',
              [g.target(q.top(5, q.max('process_resident_memory_bytes', '', 'instance')), '{{instance}}')],
              'bytes'
            ),
            g.lines(
              'Versions',
              'How many machines run which.',
              [g.target('count by (version) (%s)' % q.of('tcpcong_build_info'), '{{version}}')],
              stacked=true
            ),
          ]),
        ]
      ),
  },
}
