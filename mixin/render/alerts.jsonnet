local yaml = import '../lib/yaml.libsonnet';
yaml.title + yaml.groups((import '../mixin.libsonnet').prometheusAlerts.groups)
