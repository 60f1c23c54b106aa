// What connections suffer.
{
  local config = $._config,
  local limits = config.thresholds,

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'tcpcong.network',
        rules: [
          $._alert(
            'TcpcongOutage',
            'critical',
            limits.outage,
            |||
              instance_state:tcpcong_active_share:ratio_rate5m{%(selector)s, state="loss"} > %(share)g
              and on (%(machine)s)
              instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state="loss"} >= %(connections)g
              and on (%(machine)s)
              instance:tcpcong_repeated_rtos:rate5m{%(selector)s} > 0
            |||,
            'Most of what the machine sends is not acknowledged.',
            'Connections of {{ $labels.instance }} that had something to do were in Loss for {{ $value | humanizePercentage }} of the time, and their timeouts repeat: nothing gets through.',
            'loss',
          ),
          $._alert(
            'TcpcongTimeInLoss',
            'warning',
            limits.timeInLoss,
            |||
              instance_state:tcpcong_active_share:ratio_rate5m{%(selector)s, state="loss"} > %(share)g
              and on (%(machine)s)
              instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state="loss"} >= %(connections)g
            |||,
            'Connections spend much of their time in Loss.',
            'Connections of {{ $labels.instance }} that had something to do were in Loss for {{ $value | humanizePercentage }} of the time.',
            'loss',
          ),
          $._alert(
            'TcpcongTimeoutSurge',
            'warning',
            limits.timeoutSurge,
            |||
              instance:tcpcong_rtos:rate5m{%(selector)s} > %(rate)g
              and
              instance:tcpcong_rtos:rate5m{%(selector)s}
              > %(times)g * avg_over_time(instance:tcpcong_rtos:rate5m{%(selector)s}[1d] offset 1h)
            |||,
            'Many more retransmission timeouts than in the day before.',
            '{{ $labels.instance }} has {{ $value | printf "%.1f" }} retransmission timeouts a second, several times as many as in the day before.',
            'loss',
          ),
          $._alert(
            'TcpcongHandshakeTimeouts',
            'warning',
            limits.handshakes,
            |||
              sum by (%(machine)s) (rate(tcpcong_transitions_total{%(selector)s, from="open", cause="syn-timeout"}[5m]))
              / (sum by (%(machine)s) (rate(tcpcong_flows_started_total{%(selector)s}[5m])) > 0)
              > %(share)g
              and
              sum by (%(machine)s) (rate(tcpcong_transitions_total{%(selector)s, from="open", cause="syn-timeout"}[5m])) > %(rate)g
            |||,
            'Peers do not answer: connections cannot be opened.',
            'Of the connections that began on {{ $labels.instance }}, {{ $value | humanizePercentage }} had no answer to their SYN in time.',
            'loss',
          ),
          $._alert(
            'TcpcongLongLoss',
            'info',
            limits.longLoss,
            |||
              instance_state:tcpcong_spell_seconds:p99_30m{%(selector)s, state="loss"} > %(seconds)g
              and on (%(machine)s)
              sum by (%(machine)s) (increase(tcpcong_transitions_total{%(selector)s, from="loss", to!="loss"}[30m])) >= %(spells)g
            |||,
            'Some connections stay in Loss for long.',
            'One in a hundred spells in Loss on {{ $labels.instance }} lasted {{ $value | humanizeDuration }} or longer.',
            'loss',
          ),
          $._alert(
            'TcpcongTimeInRecovery',
            'info',
            limits.timeInRecovery,
            |||
              instance_state:tcpcong_active_share:ratio_rate5m{%(selector)s, state="recovery"} > %(share)g
              and on (%(machine)s)
              instance_state:tcpcong_state_seconds:rate5m{%(selector)s, state="recovery"} >= %(connections)g
            |||,
            'Connections spend much of their time in Recovery.',
            'Connections of {{ $labels.instance }} that had something to do were in Recovery for {{ $value | humanizePercentage }} of the time.',
            'recovery',
          ),
          $._alert(
            'TcpcongSpuriousRetransmissions',
            'info',
            limits.spurious,
            |||
              instance:tcpcong_undone_share:ratio_rate30m{%(selector)s} > %(share)g
              and
              instance:tcpcong_reductions:rate30m{%(selector)s} > %(rate)g
            |||,
            'Windows are reduced although nothing was lost.',
            'Of the recoveries and timeouts on {{ $labels.instance }}, {{ $value | humanizePercentage }} were undone: nothing had been lost.',
            'recovery',
          ),
          $._alert(
            'TcpcongWaiting',
            'info',
            limits.waiting,
            |||
              instance:tcpcong_waited_share:ratio_rate5m{%(selector)s} > %(share)g
              and
              sum by (%(machine)s) (rate(tcpcong_waited_seconds_total{%(selector)s, state!="loss"}[5m])) >= %(connections)g
            |||,
            'Connections wait for timers, with nothing acknowledged.',
            'Connections of {{ $labels.instance }} that had something to do spent {{ $value | humanizePercentage }} of the time waiting for a timeout, before Loss began.',
            'waited',
          ),
          $._alert(
            'TcpcongReceiversLimit',
            'info',
            limits.receivers,
            |||
              instance_limit:tcpcong_limited_share:ratio_rate5m{%(selector)s, limit="rwnd"} > %(share)g
              and on (%(machine)s)
              instance:tcpcong_busy_seconds:rate5m{%(selector)s} >= %(connections)g
            |||,
            'Receivers do not read as fast as the machine sends.',
            'Connections of {{ $labels.instance }} with data to send were held up by a full receive window for {{ $value | humanizePercentage }} of the time.',
            'rwnd_limited',
          ),
          $._alert(
            'TcpcongSendBuffersLimit',
            'info',
            limits.sendBuffers,
            |||
              instance_limit:tcpcong_limited_share:ratio_rate5m{%(selector)s, limit="sndbuf"} > %(share)g
              and on (%(machine)s)
              instance:tcpcong_busy_seconds:rate5m{%(selector)s} >= %(connections)g
            |||,
            'Send buffers are too small for the path.',
            'Connections of {{ $labels.instance }} with data to send were held up by their send buffer for {{ $value | humanizePercentage }} of the time.',
            'sndbuf_limited',
          ),
          $._alert(
            'TcpcongEcnSurge',
            'info',
            limits.ecn,
            |||
              instance:tcpcong_ce_share:ratio_rate5m{%(selector)s} > %(share)g
              and
              instance:tcpcong_ce_share:ratio_rate5m{%(selector)s}
              > %(times)g * avg_over_time(instance:tcpcong_ce_share:ratio_rate5m{%(selector)s}[1d] offset 1h)
            |||,
            'Many more ECN marks than in the day before.',
            'Of the segments that {{ $labels.instance }} delivered, {{ $value | humanizePercentage }} were marked, several times as many as in the day before: a queue on the way is full.',
            'cwr',
          ),
          $._alert(
            'TcpcongLocalDrops',
            'info',
            limits.localDrops,
            |||
              sum by (%(machine)s) (rate(tcpcong_transitions_total{%(selector)s, cause="local-drop"}[5m])) > %(rate)g
            |||,
            'The machine itself drops what it sends.',
            'A queue of {{ $labels.instance }} itself, not of the network, refuses packets: {{ $value | printf "%.1f" }} times a second a window was reduced for that.',
            'cwr',
          ),
        ],
      },
    ],
  },
}
