// promtool's tests: in each scenario every alert either fires, saying this, or is silent; and
// none fires before it has been so for long enough.
local machine = import '../tests/machine.libsonnet';
local scenarios = import '../tests/scenarios.libsonnet';
local alerts = std.flattenArrays([
  group.rules
  for group in (import '../mixin.libsonnet').prometheusAlerts.groups
]);

local minutes(text) =
  local number = std.parseInt(std.substr(text, 0, std.length(text) - 1));
  if std.endsWith(text, 'h') then number * 60 else number;

// As the alert says it, but for the description, which the scenario has in full.
local fired(alert, scenario) =
  local filled(text) = std.strReplace(text, '{{ $labels.instance }}', machine.labels.instance);
  {
    exp_labels: std.get(scenario, 'labels', machine.labels) + alert.labels + (
      // Those by which the expression tells more than the machine.
      if alert.alert == 'TcpcongOutage' || alert.alert == 'TcpcongTimeInLoss' then { state: 'loss' }
      else if alert.alert == 'TcpcongLongLoss' then { state: 'loss' }
      else if alert.alert == 'TcpcongTimeInRecovery' then { state: 'recovery' }
      else if alert.alert == 'TcpcongReceiversLimit' then { limit: 'rwnd' }
      else if alert.alert == 'TcpcongSendBuffersLimit' then { limit: 'sndbuf' }
      else {}
    ),
    exp_annotations: {
      [name]: filled(alert.annotations[name])
      for name in std.objectFields(alert.annotations)
    } + { description: scenario.fires[alert.alert] },
  };

local known = [alert.alert for alert in alerts];
local firing = std.set(std.flattenArrays([std.objectFields(scenario.fires) for scenario in scenarios]));

assert std.set(known) == firing : 'fired by no scenario, or not there: %s, %s' % [
  std.setDiff(std.set(known), firing),
  std.setDiff(firing, std.set(known)),
];
{
  rule_files: ['rules.yaml', 'alerts.yaml'],
  evaluation_interval: '1m',
  tests: [
    local last = std.get(scenario, 'minutes', 120);
    {
      name: scenario.name,
      interval: '1m',
      input_series: machine.series(last, scenario.series),
      alert_rule_test: [
        {
          alertname: alert.alert,
          eval_time: last + 'm',
          exp_alerts: if std.objectHas(scenario.fires, alert.alert) then [fired(alert, scenario)] else [],
        }
        for alert in alerts
      ] + [
        {
          alertname: alert.alert,
          eval_time: (std.get(scenario, 'since', 0) + minutes(alert['for']) - 1) + 'm',
          exp_alerts: [],
        }
        for alert in alerts
        if std.objectHas(scenario.fires, alert.alert)
      ],
    }
    for scenario in scenarios
  ],
}
