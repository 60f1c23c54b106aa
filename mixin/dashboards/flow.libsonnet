// Which flow? No series is of one connection: this leads to the machine, which knows them.
local g = import '../lib/grafana.libsonnet';
local q = import 'queries.libsonnet';

{
  grafanaDashboards+:: {
    'tcpcong-flow.json':
      local c = $._config;
      // Of any instance, whichever is chosen.
      local worst =
        'topk(20, sum by (job, instance) (instance_state:tcpcong_active_share:ratio_rate5m{job=~"$job", state="loss"}))';
      local flows(order) = c.drilldownURLPattern % ['${instance}', order];
      g.dashboard(
        c,
        'tcpcong-flow',
        'tcpcong / Which flow?',
        'The groups of one machine that suffer, and the way to its connections.',
        [
          g.row('${instance}', 7, [
            g.text('Ask the machine', |||
              | | |
              | --- | --- |
              | The worst connections | [in Loss](%s) · [in Recovery](%s) · [waiting](%s) · [retransmitting](%s) · [behind a full window](%s) |
              | What holds them up | [a verdict on each](%s) |
              | What happened | [a recording of the last minute](%s), for `tcpcong report`, `trace` and `why --from` |

              The service answers on loopback, or where it asks for a password: open the links on the machine,
              through `ssh -L`, or with the password of its web.config.file.
            ||| % [
              flows('loss'),
              flows('recovery'),
              flows('waited'),
              flows('retrans'),
              flows('rwnd_limited'),
              c.whyURLPattern % '${instance}',
              c.hindsightURLPattern % '${instance}',
            ]),
            g.lines(
              'Outside Open',
              'How many connections of the machine were in each state, on average.',
              [g.target(q.sum('tcpcong_state_seconds_total', 'state!="open"', 'state'), '{{state}}')],
              stacked=true
            ),
          ]),
          g.row('By ${by}', 10, [
            g.table(
              'Groups, the most Loss first',
              'One row without a name: the service runs without --by ${by}.',
              [
                g.rows(q.sum('tcpcong_state_seconds_total', 'state="loss"', '$by')),
                g.rows(q.sum('tcpcong_state_seconds_total', 'state="recovery"', '$by')),
                g.rows(q.sum('tcpcong_waited_seconds_total', 'state!="loss"', '$by')),
                g.rows(q.sum('tcpcong_rtos_total', '', '$by')),
                g.rows(q.share(
                  q.sum('tcpcong_retransmitted_segments_total', '', '$by'),
                  q.sum('tcpcong_delivered_segments_total', '', '$by')
                )),
                g.rows(q.now('tcpcong_flows', '', '$by')),
              ],
              [
                g.column('In Loss'),
                g.column('In Recovery'),
                g.column('Waiting'),
                g.column('Timeouts', 'cps'),
                g.column('Retransmitted', 'percentunit'),
                g.column('Connections'),
              ],
              sort='In Loss'
            ),
          ]),
          g.row('How certain', 7, [
            g.lines(
              'Groups',
              'Values that the label has, of how many it may have. What comes after those is in `other`.',
              [
                g.target(q.max('tcpcong_groups'), 'values'),
                g.target(q.max('tcpcong_groups_limit'), 'limit'),
              ]
            ),
            g.lines(
              'Counted in `other`',
              'Connections each second.',
              [g.target(q.sum('tcpcong_flows_in_other_total'), 'other')],
              'cps'
            ),
            g.lines(
              'Uncertain time',
              'How many connections may have been counted in a wrong state, on average.',
              [g.target(q.sum('tcpcong_uncertain_seconds_total'), 'uncertain')]
            ),
            g.lines(
              'Gaps',
              'How much of the time entries were lost, as the log was full.',
              [g.target(q.sum('tcpcong_gap_seconds_total'), 'in a gap')],
              'percentunit'
            ),
          ]),
          g.row('The other machines', 10, [
            g.table(
              'The twenty with the most time in Loss',
              'A click on a machine leads to its connections.',
              [
                g.rows(worst),
                g.rows(q.among(
                  worst,
                  'sum by (job, instance) (instance_state:tcpcong_active_share:ratio_rate5m{job=~"$job", state="recovery"})'
                )),
                g.rows(q.among(worst, 'sum by (job, instance) (instance:tcpcong_rtos:rate5m{job=~"$job"})')),
              ],
              [
                g.column('Loss', 'percentunit'),
                g.column('Recovery', 'percentunit'),
                g.column('Timeouts', 'cps'),
              ],
              links=[
                g.link('Its connections', c.drilldownURLPattern % ['${__data.fields.instance}', 'loss']),
                g.link('What holds them up', c.whyURLPattern % '${__data.fields.instance}'),
                g.link('A recording of the last minute', c.hindsightURLPattern % '${__data.fields.instance}'),
              ],
              sort='Loss'
            ),
          ]),
        ],
        [g.choice('by', '--by', q.keys, 'unit')],
        one=true
      ),
  },
}
