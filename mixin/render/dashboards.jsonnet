// A file for each dashboard: `jsonnet -m FOLDER`.
(import '../mixin.libsonnet').grafanaDashboards
