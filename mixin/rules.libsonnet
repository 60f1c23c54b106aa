// Recording rules: what alerts and the fleet's dashboard ask again and again.
{
  local machine = $._config.machine,
  local selector = $._config.selector,
  local some(text) = if text == '' then '' else ', ' + text,
  local rate(metric, window, labels='', by='') =
    'sum by (%s) (rate(%s{%s}[%s]))' % [machine + some(by), metric, selector + some(labels), window],
  local share(part, whole) = '%s / (%s > 0)' % [part, whole],

  prometheusRules+:: {
    groups+: [
      {
        name: 'tcpcong.rules',
        rules: [
          // How many connections were in each state, on average.
          {
            record: 'instance_state:tcpcong_state_seconds:rate5m',
            expr: rate('tcpcong_state_seconds_total', '5m', by='state'),
          },
          {
            record: 'instance:tcpcong_busy_seconds:rate5m',
            expr: rate('tcpcong_busy_seconds_total', '5m'),
          },
          // How many had something to do: data to send or on its way, or a state other
          // than Open. A SYN that is not answered is in Loss and has no data.
          {
            record: 'instance:tcpcong_active_seconds:rate5m',
            expr: |||
              (instance:tcpcong_busy_seconds:rate5m{%(selector)s} >= sum by (%(machine)s) (instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state!="open"}))
              or
              sum by (%(machine)s) (instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state!="open"})
            ||| % $._config,
          },
          {
            record: 'instance_state:tcpcong_active_share:ratio_rate5m',
            expr: |||
              instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state!="open"}
              / on (%(machine)s) group_left ()
              (instance:tcpcong_active_seconds:rate5m{%(selector)s} > 0)
            ||| % $._config,
          },
          { record: 'instance:tcpcong_rtos:rate5m', expr: rate('tcpcong_rtos_total', '5m') },
          {
            record: 'instance:tcpcong_repeated_rtos:rate5m',
            expr: rate('tcpcong_repeated_rtos_total', '5m'),
          },
          // Before Loss began: what is waited in Loss is time in Loss.
          {
            record: 'instance:tcpcong_waited_share:ratio_rate5m',
            expr: share(
              rate('tcpcong_waited_seconds_total', '5m', 'state!="loss"'),
              'instance:tcpcong_active_seconds:rate5m{%s}' % selector
            ),
          },
          {
            record: 'instance:tcpcong_retransmitted_share:ratio_rate5m',
            expr: share(
              rate('tcpcong_retransmitted_segments_total', '5m'),
              rate('tcpcong_delivered_segments_total', '5m')
            ),
          },
          {
            record: 'instance:tcpcong_ce_share:ratio_rate5m',
            expr: share(
              rate('tcpcong_ce_segments_total', '5m'),
              rate('tcpcong_delivered_segments_total', '5m')
            ),
          },
          // Recovery and Loss, each once however it went on.
          {
            record: 'instance:tcpcong_reductions:rate30m',
            expr: rate(
              'tcpcong_transitions_total', '30m', 'from=~"open|disorder|cwr", to=~"recovery|loss"'
            ),
          },
          {
            record: 'instance:tcpcong_undone_share:ratio_rate30m',
            expr: share(
              rate('tcpcong_undone_total', '30m', 'from=~"recovery|loss"'),
              'instance:tcpcong_reductions:rate30m{%s}' % selector
            ),
          },
          {
            record: 'instance_limit:tcpcong_limited_share:ratio_rate5m',
            expr: |||
              %(limited)s
              / on (%(machine)s) group_left ()
              (instance:tcpcong_busy_seconds:rate5m{%(selector)s} > 0)
            ||| % ($._config { limited: rate('tcpcong_limited_seconds_total', '5m', by='limit') }),
          },
          // Native where there is one, the classic histogram elsewhere. Of Loss alone: of a
          // thousand machines all states take ten times as long.
          {
            record: 'instance_state:tcpcong_spell_seconds:p99_30m',
            expr: |||
              histogram_quantile(0.99, %(native)s)
              or
              histogram_quantile(0.99, %(classic)s)
            ||| % {
              native: rate('tcpcong_spell_seconds', '30m', 'state="loss"', 'state'),
              classic: rate('tcpcong_spell_seconds_bucket', '30m', 'state="loss"', 'state, le'),
            },
          },
        ],
      },
    ],
  },
}
