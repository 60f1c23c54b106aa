// Alerts. What a person gets up for is critical or warning; the rest is info, for whoever looks.
(import 'network.libsonnet') + (import 'tool.libsonnet') + {
  // An alert with its runbook and, where the machine can say more, the page that does.
  _alert(name, severity, threshold, expr, summary, description, order=null)::
    local config = $._config;
    {
      alert: name,
      expr: expr % (config + threshold),
      'for': threshold['for'],
      labels: { severity: severity },
      annotations: {
        summary: summary,
        description: description,
        runbook_url: config.runbookURLPattern % std.asciiLower(name),
      } + (
        if order == null then {}
        else { drilldown_url: config.drilldownURLPattern % ['{{ $labels.instance }}', order] }
      ),
    },
}
