// Rules and alerts as the Prometheus operator takes them.
local yaml = import '../lib/yaml.libsonnet';
local mixin = import '../mixin.libsonnet';

yaml.title + |||
  apiVersion: monitoring.coreos.com/v1
  kind: PrometheusRule
  metadata:
    name: tcpcong
    labels:
  %s
  spec:
||| % yaml.pairs(mixin._config.prometheusRuleLabels, '    ')
+ yaml.groups(mixin.prometheusRules.groups + mixin.prometheusAlerts.groups, '  ')
