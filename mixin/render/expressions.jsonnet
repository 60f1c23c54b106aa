// Every expression of rules, alerts and dashboards, with what Grafana would put in place of its
// variables: for tests, which ask a Prometheus all of them.
local mixin = import '../mixin.libsonnet';
local values = [
  ['$__rate_interval', '5m'],
  ['$job', '.+'],
  ['$instance', '.+'],
  ['$state', 'loss'],
  ['$by', 'unit'],
];
local filled(expr) =
  std.foldl(function(text, pair) std.strReplace(text, pair[0], pair[1]), values, expr);
local rules(groups) = [
  {
    place: (if std.objectHas(rule, 'alert') then 'alert ' + rule.alert else 'record ' + rule.record),
    expr: rule.expr,
    query: rule.expr,
  }
  for group in groups
  for rule in group.rules
];
// label_values() is Grafana's; what it asks for are the series inside.
local series(text) = std.strReplace(
  std.strReplace(std.strReplace(text, 'label_values(', ''), ', job)', ''), ', instance)', ''
);
local dashboards = mixin.grafanaDashboards;

rules(mixin.prometheusRules.groups) + rules(mixin.prometheusAlerts.groups) + std.flattenArrays([
  [
    {
      place: '%s: variable %s' % [name, variable.name],
      expr: variable.definition,
      query: filled(series(variable.definition)),
    }
    for variable in dashboards[name].templating.list
    if variable.type == 'query'
  ] + [
    { place: '%s: annotation %s' % [name, one.name], expr: one.expr, query: filled(one.expr) }
    for one in dashboards[name].annotations.list
  ] + [
    {
      place: '%s: %s, %s' % [name, panel.title, target.refId],
      expr: target.expr,
      query: filled(target.expr),
    }
    for panel in dashboards[name].panels
    if std.objectHas(panel, 'targets')
    for target in panel.targets
  ]
  for name in std.objectFields(dashboards)
])
