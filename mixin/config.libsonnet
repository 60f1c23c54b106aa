// What differs from fleet to fleet. Override it with `_config+:: { ... }`.
{
  _config+:: {
    // Which targets are ours, in rules and alerts.
    selector: 'job="tcpcong"',
    // What tells one machine from the others. Add `cluster` where there are several.
    machine: 'job, instance',
    // Where a runbook is; %s is the heading's anchor.
    runbookURLPattern: 'mixin/runbook.md#%s',
    // Where a machine shows its flows; %s is its address, then the order. https where
    // --web.config.file has TLS.
    drilldownURLPattern: 'http://%s/flows?sort=%s&top=20',
    // The machine's other pages about its flows, linked by the dashboard "Which flow?".
    whyURLPattern: 'http://%s/why',
    hindsightURLPattern: 'http://%s/hindsight',
    // By which the Prometheus operator finds the rules (its `ruleSelector`).
    prometheusRuleLabels: { 'app.kubernetes.io/name': 'tcpcong' },
    dashboardTags: ['tcpcong'],
    dashboardRefresh: '30s',

    // Shares are of 1. Rates are per second. `for` is how long it must have been so.
    thresholds: {
      // Of the time in which connections had something to do, in Loss: nothing gets through.
      outage: { share: 0.5, connections: 3, 'for': '5m' },
      timeInLoss: { share: 0.05, connections: 1, 'for': '15m' },
      timeInRecovery: { share: 0.3, connections: 5, 'for': '1h' },
      // Times as many timeouts as in the day before.
      timeoutSurge: { times: 5, rate: 1, 'for': '10m' },
      // Of the connections that began, those whose SYN was not answered in time.
      handshakes: { share: 0.2, rate: 0.1, 'for': '10m' },
      // The longest hundredth of the spells in Loss, where there were enough to tell.
      longLoss: { seconds: 5, spells: 20, 'for': '15m' },
      // Of the reductions of the window, those that were undone.
      spurious: { share: 0.3, rate: 0.1, 'for': '30m' },
      waiting: { share: 0.05, connections: 0.5, 'for': '30m' },
      receivers: { share: 0.3, connections: 1, 'for': '30m' },
      sendBuffers: { share: 0.1, connections: 1, 'for': '30m' },
      // Of the segments delivered, those marked; and times as many as in the day before.
      ecn: { share: 0.05, times: 3, 'for': '30m' },
      localDrops: { rate: 0.1, 'for': '15m' },

      down: { 'for': '5m' },
      absent: { 'for': '15m' },
      stuck: { seconds: 60, 'for': '5m' },
      // Things missed for each transition that was seen.
      missed: { share: 0.01, 'for': '30m' },
      entriesDropped: { 'for': '5m' },
      flowsRefused: { 'for': '5m' },
      logFill: { ratio: 0.75, 'for': '5m' },
      namespaces: { 'for': '30m' },
      // Of the connections that began, those counted in `other`.
      other: { share: 0.05, 'for': '1h' },
      otlp: { 'for': '15m' },
      lines: { 'for': '5m' },
      estimated: { 'for': '1h' },
      // Of one CPU.
      cost: { share: 0.25, 'for': '30m' },
    },
  },
}
