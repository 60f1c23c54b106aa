// What the tool itself lacks: it is down, or its figures are not all.
{
  local config = $._config,
  local limits = config.thresholds,
  local increase(metric) =
    'sum by (%s) (increase(%s{%s}[15m]))' % [config.machine, metric, config.selector],
  local rate(metric) =
    'sum by (%s) (rate(%s{%s}[30m]))' % [config.machine, metric, config.selector],

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'tcpcong.tool',
        rules: [
          $._alert(
            'TcpcongDown',
            'warning',
            limits.down,
            'up{%(selector)s} == 0',
            'tcpcong does not answer.',
            'tcpcong on {{ $labels.instance }} has not answered Prometheus: nothing is known of its connections.',
          ),
          $._alert(
            'TcpcongAbsent',
            'warning',
            limits.absent,
            'absent(up{%(selector)s})',
            'Prometheus has no target of tcpcong.',
            'Prometheus asks no machine for the metrics of tcpcong: none of the other alerts can fire.',
          ),
          $._alert(
            'TcpcongStuck',
            'warning',
            limits.stuck,
            // By when it was scraped: at the time of an evaluation a scrape may be as old as their interval.
            |||
              min by (%(machine)s) (
                timestamp(tcpcong_updated_timestamp_seconds{%(selector)s}) - tcpcong_updated_timestamp_seconds{%(selector)s}
              ) > %(seconds)g
            |||,
            'tcpcong answers, with old figures.',
            'The figures of {{ $labels.instance }} are {{ $value | humanizeDuration }} old.',
          ),
          $._alert(
            'TcpcongEntriesDropped',
            'info',
            limits.entriesDropped,
            increase('tcpcong_entries_dropped_total') + ' > 0',
            'The log was full: events were lost.',
            'tcpcong on {{ $labels.instance }} lost {{ $value | printf "%.0f" }} entries in a quarter of an hour, as its log was full.',
          ),
          $._alert(
            'TcpcongLogNearlyFull',
            'info',
            limits.logFill,
            'max by (%(machine)s) (max_over_time(tcpcong_log_fill_ratio{%(selector)s}[15m])) > %(ratio)g',
            'The log is nearly full at times.',
            'The log of tcpcong on {{ $labels.instance }} was {{ $value | humanizePercentage }} full.',
          ),
          $._alert(
            'TcpcongFlowsRefused',
            'info',
            limits.flowsRefused,
            increase('tcpcong_flows_refused_total') + ' > 0',
            'There are more connections than there is room for.',
            'tcpcong on {{ $labels.instance }} had no room for {{ $value | printf "%.0f" }} connections in a quarter of an hour.',
          ),
          $._alert(
            'TcpcongMissed',
            'info',
            limits.missed,
            std.join('\n+ ', [
              '(' + rate('tcpcong_transitions_missed_total'),
              rate('tcpcong_births_missed_total'),
              rate('tcpcong_ends_missed_total') + ')',
            ]) + '\n/ (' + rate('tcpcong_transitions_total') + ' > 0)\n> %(share)g',
            'tcpcong learns of too much only afterwards.',
            'For each transition on {{ $labels.instance }} that tcpcong saw, it missed {{ $value | humanizePercentage }} of one, or a birth or an end.',
          ),
          $._alert(
            'TcpcongNamespacesUnreached',
            'info',
            limits.namespaces,
            'max by (%(machine)s) (tcpcong_namespaces_unreached{%(selector)s}) > 0',
            'There are network namespaces that tcpcong cannot enter.',
            'tcpcong on {{ $labels.instance }} could not enter {{ $value | printf "%.0f" }} network namespaces: connections that were open there before it started show from their first event on.',
          ),
          $._alert(
            'TcpcongGroupsFull',
            'info',
            limits.other,
            |||
              sum by (%(machine)s) (rate(tcpcong_flows_in_other_total{%(selector)s}[30m]))
              / (sum by (%(machine)s) (rate(tcpcong_flows_started_total{%(selector)s}[30m])) > 0)
              > %(share)g
            |||,
            'Too much is counted in the series `other`.',
            'Of the connections that began on {{ $labels.instance }}, {{ $value | humanizePercentage }} are in the series `other`: the label of --by has more values than --by-limit.',
          ),
          $._alert(
            'TcpcongOtlpFailing',
            'info',
            limits.otlp,
            'sum by (%(machine)s) (increase(tcpcong_otlp_exports_total{%(selector)s, result=~"failed|dropped"}[15m])) > 0',
            'The receiver of OTLP does not take what tcpcong sends.',
            '{{ $value | printf "%.0f" }} pushes of {{ $labels.instance }} failed or were dropped in a quarter of an hour.',
          ),
          $._alert(
            'TcpcongLinesDropped',
            'info',
            limits.lines,
            increase('tcpcong_lines_dropped_total') + ' > 0',
            'Lines were dropped: whatever takes them is too slow.',
            'tcpcong on {{ $labels.instance }} dropped {{ $value | printf "%.0f" }} lines in a quarter of an hour.',
          ),
          $._alert(
            'TcpcongEstimated',
            'info',
            limits.estimated,
            'max by (%(machine)s) (tcpcong_estimated{%(selector)s}) == 1',
            'tcpcong only samples.',
            'tcpcong on {{ $labels.instance }} runs with --attach sample: times are estimates, counts are lower bounds.',
          ),
          $._alert(
            'TcpcongCostly',
            'info',
            limits.cost,
            |||
              sum by (%(machine)s) (rate(process_cpu_seconds_total{%(selector)s}[30m]))
              + (sum by (%(machine)s) (rate(tcpcong_bpf_run_seconds_total{%(selector)s}[30m])) or 0 * sum by (%(machine)s) (rate(process_cpu_seconds_total{%(selector)s}[30m])))
              > %(share)g
            |||,
            'tcpcong takes much of a CPU.',
            'tcpcong on {{ $labels.instance }} takes {{ $value | humanizePercentage }} of one CPU.',
          ),
        ],
      },
    ],
  },
}
