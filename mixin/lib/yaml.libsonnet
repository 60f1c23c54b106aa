// Groups of rules as YAML in the order in which people write them. std.manifestYamlDoc() of
// the jsonnet in C++ takes ten seconds for as much.

// As JSON has it, which YAML takes.
local quoted(text) =
  local list = '' + [text];
  std.substr(list, 1, std.length(list) - 2);

local value(text, indent) =
  local lines = std.split(text, '\n');
  if std.length(lines) == 1 then quoted(text)
  else '|\n' + std.join('\n', [indent + line for line in lines if line != '']);

local pairs(of, indent) = std.join('\n', [
  '%s%s: %s' % [indent, name, quoted(of[name])]
  for name in std.objectFields(of)
]);

local rule(one, indent) =
  std.join('\n' + indent + '  ', [
    indent + (
      if std.objectHas(one, 'alert') then '- alert: ' + one.alert
      else '- record: ' + one.record
    ),
    'expr: ' + value(one.expr, indent + '    '),
  ] + (
    if std.objectHas(one, 'for') then ['for: ' + one['for']] else []
  )) + std.join('', [
    '\n%s  %s:\n%s' % [indent, field, pairs(one[field], indent + '    ')]
    for field in ['labels', 'annotations']
    if std.objectHas(one, field)
  ]);

{
  title: '# Rendered by scripts/mixin.sh from the jsonnet beside: change it there.\n',
  pairs: pairs,
  groups(groups, indent='')::
    indent + 'groups:\n' + std.join('\n', [
      '%(indent)s  - name: %(name)s\n%(indent)s    rules:\n%(rules)s' % {
        indent: indent,
        name: group.name,
        rules: std.join('\n', [rule(one, indent + '      ') for one in group.rules]),
      }
      for group in groups
    ]) + '\n',
}
