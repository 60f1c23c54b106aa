// Dashboards, recording rules and alerts for `tcpcong serve`: what a mixin is made of.
(import 'config.libsonnet') +
(import 'rules.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'dashboards/dashboards.libsonnet')
