// Queries as several dashboards have them: of the machines that are chosen at the top.
{
  selector:: 'job=~"$job", instance=~"$instance"',
  _some(labels):: if labels == '' then '' else ', ' + labels,
  of(metric, labels=''):: '%s{%s%s}' % [metric, self.selector, self._some(labels)],
  rate(metric, labels=''):: 'rate(%s[$__rate_interval])' % self.of(metric, labels),
  // Of all machines that are chosen; `by` keeps these labels.
  sum(metric, labels='', by=''):: self._sum(self.rate(metric, labels), by),
  now(metric, labels='', by=''):: self._sum(self.of(metric, labels), by),
  max(metric, labels='', by=''):: 'max%s (%s)' % [self._by(by), self.of(metric, labels)],
  _by(by):: if by == '' then '' else ' by (%s)' % by,
  _sum(inner, by):: 'sum%s (%s)' % [self._by(by), inner],
  // The part in the whole; nothing where there is no whole.
  share(part, whole):: '%s / (%s > 0)' % [part, whole],
  shareBy(part, whole, label):: '%s / ignoring (%s) group_left () (%s > 0)' % [part, label, whole],
  // Of the machines of `those` alone.
  among(those, expr):: '%s and on (job, instance) %s' % [expr, those],
  top(count, expr):: 'topk(%d, %s)' % [count, expr],

  // How long spells were: native where there is one, the classic histogram elsewhere.
  quantile(of, labels='', by='')::
    'histogram_quantile(%(of)s, %(native)s) or histogram_quantile(%(of)s, %(classic)s)' % {
      of: of,
      native: $.sum('tcpcong_spell_seconds', labels, by),
      classic: $.sum('tcpcong_spell_seconds_bucket', labels, (if by == '' then '' else by + ', ') + 'le'),
    },

  // Of recoveries and timeouts, by what showed it.
  undone:: $.sum('tcpcong_undone_total', by='from, how'),

  // What --by can be.
  keys:: ['cgroup', 'unit', 'pod', 'prefix', 'lport', 'cc', 'netns'],
}
