// Four dashboards, a question each. Their uids stay as they are: links and bookmarks have them.
(import 'well.libsonnet') +
(import 'doing.libsonnet') +
(import 'wrong.libsonnet') +
(import 'flow.libsonnet')
