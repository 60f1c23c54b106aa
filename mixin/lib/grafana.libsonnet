// What a dashboard of Grafana is made of, as far as ours go. No figures and no queries.
local datasource = { type: 'prometheus', uid: '${datasource}' };

local target(expr, legend='__auto', extra={}) = {
  datasource: datasource,
  expr: expr,
  legendFormat: legend,
} + extra;

local panel(type, title, description, targets, unit, extra={}) = {
  type: type,
  title: title,
  description: description,
  datasource: datasource,
  targets: std.mapWithIndex(
    function(index, one) one { refId: std.char(std.codepoint('A') + index) }, targets
  ),
  fieldConfig: { defaults: { unit: unit }, overrides: [] },
  options: {},
} + extra;

local steps(levels) = {
  mode: 'absolute',
  steps: [{ color: 'green', value: null }] + [
    { color: level[1], value: level[0] }
    for level in levels
  ],
};

local query(name, label, text, extra={}) = {
  type: 'query',
  name: name,
  label: label,
  datasource: datasource,
  definition: text,
  query: { query: text, refId: 'variable-' + name },
  refresh: 2,
  sort: 1,
  current: { text: ['All'], value: ['$__all'] },
  multi: true,
  includeAll: true,
  allValue: '.+',
  options: [],
  regex: '',
  hide: 0,
} + extra;

{
  // One query of a panel, and what its series are called.
  target(expr, legend='__auto'):: target(expr, legend, { range: true }),
  // Only the value of now.
  instant(expr, legend='__auto'):: target(expr, legend, { instant: true, range: false }),
  // A row of a table for each series.
  rows(expr):: target(expr, '', { instant: true, range: false, format: 'table' }),

  // Lines over time. `extra.stacking` stacks them.
  lines(title, description, targets, unit='short', stacked=false, max=null)::
    panel('timeseries', title, description, targets, unit, {
      fieldConfig+: {
        defaults+: {
          custom: {
            drawStyle: 'line',
            lineWidth: 1,
            fillOpacity: if stacked then 60 else 8,
            showPoints: 'never',
            spanNulls: false,
            stacking: { mode: if stacked then 'normal' else 'none', group: 'A' },
          },
          min: 0,
        } + (if max == null then {} else { max: max }),
      },
      options: {
        legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
    }),

  // One figure of now. `levels`: from which value on in which colour.
  figure(title, description, expr, unit='short', levels=[])::
    panel('stat', title, description, [target(expr, '', { instant: true, range: false })], unit, {
      fieldConfig+: { defaults+: { thresholds: steps(levels), color: { mode: 'thresholds' } } },
      options: {
        colorMode: if levels == [] then 'none' else 'background',
        graphMode: 'none',
        justifyMode: 'auto',
        orientation: 'auto',
        textMode: 'auto',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      },
    }),

  // Queries side by side, a row for each machine. `columns`: title, unit, levels.
  table(title, description, targets, columns, hidden=[], links=[], sort=null)::
    panel('table', title, description, targets, 'short', {
      fieldConfig+: {
        defaults+: { custom: { align: 'auto', filterable: true } },
        overrides: [
          {
            matcher: { id: 'byName', options: column.title },
            properties: [
              { id: 'unit', value: column.unit },
              { id: 'thresholds', value: steps(column.levels) },
              { id: 'custom.cellOptions', value: { type: 'color-background', mode: 'basic' } },
            ],
          }
          for column in columns
        ] + (
          if links == [] then []
          else [{
            matcher: { id: 'byName', options: 'instance' },
            properties: [{ id: 'links', value: links }],
          }]
        ),
      },
      options: {
        showHeader: true,
        cellHeight: 'sm',
        sortBy: if sort == null then [] else [{ displayName: sort, desc: true }],
      },
      transformations: [
        { id: 'merge', options: {} },
        {
          id: 'organize',
          options: {
            excludeByName: { [name]: true for name in ['Time'] + hidden },
            // A query alone has its value as `Value`, several as `Value #A` and so on.
            renameByName: if std.length(columns) == 1 then { Value: columns[0].title } else {
              ['Value #' + std.char(std.codepoint('A') + index)]: columns[index].title
              for index in std.range(0, std.length(columns) - 1)
            },
          },
        },
      ],
    }),
  column(title, unit='short', levels=[]):: { title: title, unit: unit, levels: levels },

  // A histogram over time: of classic buckets, or native.
  heatmap(title, description, expr, classic)::
    panel('heatmap', title, description, [
      target(
        expr,
        if classic then '{{le}}' else '',
        { range: true, format: if classic then 'heatmap' else 'time_series' }
      ),
    ], 's', {
      options: {
        calculate: false,
        cellGap: 1,
        color: { mode: 'scheme', scheme: 'Oranges', steps: 64, exponent: 0.5, fill: 'dark-orange', scale: 'exponential', reverse: false },
        filterValues: { le: 1e-9 },
        legend: { show: true },
        rowsFrame: { layout: 'auto' },
        showValue: 'never',
        tooltip: { mode: 'single', yHistogram: false, showColorScale: false },
        yAxis: { axisPlacement: 'left', reverse: false, unit: 's' },
      },
    }),

  // Alerts that fire for these machines.
  text(title, content):: {
    type: 'text',
    title: title,
    description: '',
    options: { mode: 'markdown', content: content },
  },

  link(title, url):: { title: title, url: url, targetBlank: true },

  // A title across the page, then panels of these sizes from left to right, line after line.
  row(title, height, panels, width=null):: {
    title: title,
    height: height,
    panels: panels,
    width: if width != null then width else std.floor(24 / std.length(panels)),
  },

  // Choices at the top of a dashboard.
  choice(name, label, values, current):: {
    type: 'custom',
    name: name,
    label: label,
    query: std.join(',', values),
    options: [{ text: value, value: value, selected: value == current } for value in values],
    current: { text: current, value: current },
    multi: false,
    includeAll: false,
    hide: 0,
  },

  dashboard(config, uid, title, description, rows, variables=[], one=false)::
    local place(state, row) =
      local perLine = std.floor(24 / row.width);
      local placed = std.mapWithIndex(function(index, panel) panel {
        id: state.id + 1 + index,
        gridPos: {
          x: (index % perLine) * row.width,
          y: state.y + 1 + std.floor(index / perLine) * row.height,
          w: row.width,
          h: row.height,
        },
      }, row.panels);
      local title = {
        type: 'row',
        title: row.title,
        id: state.id,
        collapsed: false,
        panels: [],
        gridPos: { x: 0, y: state.y, w: 24, h: 1 },
      };
      {
        id: state.id + 1 + std.length(row.panels),
        y: state.y + 1 + std.ceil(std.length(row.panels) / perLine) * row.height,
        panels: state.panels + [title] + placed,
      };
    {
      uid: uid,
      title: title,
      description: description,
      tags: config.dashboardTags,
      schemaVersion: 39,
      version: 1,
      editable: true,
      graphTooltip: 1,
      timezone: 'browser',
      refresh: config.dashboardRefresh,
      time: { from: 'now-1h', to: 'now' },
      links: [{
        type: 'dashboards',
        title: 'tcpcong',
        tags: config.dashboardTags,
        asDropdown: false,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        icon: 'external link',
        tooltip: '',
        url: '',
      }],
      templating: {
        list: [
          {
            type: 'datasource',
            name: 'datasource',
            label: 'Data source',
            query: 'prometheus',
            current: {},
            options: [],
            regex: '',
            refresh: 1,
            multi: false,
            includeAll: false,
            hide: 0,
          },
          query('job', 'Job', 'label_values(tcpcong_build_info, job)'),
          query(
            'instance',
            'Machine',
            'label_values(tcpcong_build_info{job=~"$job"}, instance)',
            if one then { multi: false, includeAll: false, allValue: null, current: {} } else {}
          ),
        ] + variables,
      },
      annotations: {
        list: [{
          name: 'Alerts',
          datasource: datasource,
          enable: true,
          iconColor: 'red',
          expr: 'ALERTS{alertname=~"Tcpcong.+", alertstate="firing", severity=~"critical|warning", job=~"$job", instance=~"$instance"}',
          titleFormat: '{{alertname}}',
          textFormat: '{{instance}}',
          step: '60s',
        }],
      },
      panels: std.foldl(place, rows, { id: 1, y: 0, panels: [] }).panels,
    },
}
