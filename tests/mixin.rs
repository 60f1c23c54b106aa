//! The mixin is rendered, sound, tested and documented. Not whether the service has the metrics
//! that it asks for: of that the documentation of the metrics is the contract.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::mixin::{Expression, Mixin, done, in_repository, need_prometheus, prometheus};

const METRICS: &str = include_str!("../docs/metrics.md");
const RUNBOOK: &str = include_str!("../mixin/runbook.md");
const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];

/// Every file below, by its path from there.
fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        if path.is_dir() {
            all.extend(files(&path)?.into_iter().map(|(of, text)| (format!("{name}/{of}"), text)));
        } else {
            all.insert(name, std::fs::read_to_string(path)?);
        }
    }
    Ok(all)
}

fn dashboards() -> Result<BTreeMap<String, Value>> {
    let files = files(&in_repository("mixin/rendered/dashboards"))?;
    files.into_iter().map(|(name, text)| Ok((name, serde_json::from_str(&text)?))).collect()
}

fn list<'v>(value: &'v Value, key: &str) -> Result<&'v Vec<Value>> {
    value[key].as_array().with_context(|| format!("no list {key}"))
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value[key].as_str().with_context(|| format!("no text {key}: {value}"))
}

/// Those of the first column of the tables, and what their rows say.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let rows = METRICS.lines().filter(|line| line.starts_with("| `"));
    let named = rows.flat_map(|row| {
        let names = row.split('|').nth(1).unwrap_or_default().split(", ");
        names.map(move |name| (name.trim().trim_matches('`'), row))
    });
    named.collect()
}

/// The words of an expression outside quotes that are no function's.
fn words(query: &str) -> Vec<&str> {
    let outside = query.split('"').step_by(2);
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    outside.flat_map(|part| part.split(|c| !of_name(c))).filter(|word| !word.is_empty()).collect()
}

fn alerts(expressions: &[Expression]) -> BTreeSet<&str> {
    expressions.iter().filter_map(|one| one.place.strip_prefix("alert ")).collect()
}

#[test]
fn what_is_committed_is_what_the_source_renders() -> Result<()> {
    let mixin = Mixin::rendered()?;
    let mut rendered = files(mixin.folder())?;
    // What only tests need is not committed.
    rendered.retain(|name, _| name.starts_with("dashboards/") || !name.contains(".json"));
    let committed = files(&in_repository("mixin/rendered"))?;
    let names: BTreeSet<_> = rendered.keys().chain(committed.keys()).collect();
    for name in names {
        let same = rendered.get(name) == committed.get(name);
        ensure!(same, "mixin/rendered/{name} is not what the source renders: make -C mixin");
    }
    Ok(())
}

#[test]
fn every_alert_fires_when_it_should_and_is_silent_otherwise() -> Result<()> {
    if !need_prometheus("every_alert_fires_when_it_should_and_is_silent_otherwise") {
        return Ok(());
    }
    let mixin = Mixin::rendered()?;
    let files = ["rules.yaml", "alerts.yaml"].map(|name| mixin.folder().join(name));
    done(prometheus("promtool")?.args(["check", "rules"]).args(files))?;
    done(prometheus("promtool")?.args(["test", "rules"]).arg(mixin.tests()?))?;
    Ok(())
}

#[test]
fn the_sources_are_formatted() -> Result<()> {
    let mut sources = files(&in_repository("mixin"))?;
    sources.retain(|name, _| name.ends_with("sonnet"));
    ensure!(sources.len() > 15, "{:?}", sources.keys());
    let names = sources.keys().map(|name| in_repository("mixin").join(name));
    done(std::process::Command::new("jsonnetfmt").arg("--test").args(names))?;
    Ok(())
}

#[test]
fn every_dashboard_has_its_own_uid_and_lets_the_data_source_be_chosen() -> Result<()> {
    let dashboards = dashboards()?;
    let uids = ["tcpcong-doing", "tcpcong-flow", "tcpcong-well", "tcpcong-wrong"];
    let names: Vec<_> = dashboards.keys().map(|name| name.trim_end_matches(".json")).collect();
    ensure!(names == uids, "links have these uids: {names:?}");
    for (name, dashboard) in &dashboards {
        ensure!(format!("{}.json", text(dashboard, "uid")?) == *name, "{name}: its uid");
        let variables = list(&dashboard["templating"], "list")?;
        let kinds: BTreeMap<_, _> = variables
            .iter()
            .map(|of| Ok((text(of, "name")?, text(of, "type")?)))
            .collect::<Result<_>>()?;
        ensure!(kinds.get("datasource") == Some(&"datasource"), "{name}: {kinds:?}");
        ensure!(kinds.contains_key("job") && kinds.contains_key("instance"), "{name}: {kinds:?}");
        for panel in list(dashboard, "panels")? {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let source = text(&target["datasource"], "uid")?;
                ensure!(source == "${datasource}", "{name}: {}", panel["title"]);
                variables_are_there(text(target, "expr")?, &kinds)?;
            }
        }
    }
    Ok(())
}

/// Those that an expression uses, but for Grafana's own.
fn variables_are_there(expr: &str, there: &BTreeMap<&str, &str>) -> Result<()> {
    for part in expr.split('$').skip(1).filter(|part| !part.starts_with("__")) {
        let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
        // $1 is label_replace()'s.
        ensure!(name == "1" || there.contains_key(&*name), "${name} of {expr}");
    }
    Ok(())
}

#[test]
fn no_panel_lies_upon_another() -> Result<()> {
    for (name, dashboard) in dashboards()? {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in list(&dashboard, "panels")? {
            let at = |key: &str| panel["gridPos"][key].as_u64().context("a place");
            ensure!(ids.insert(panel["id"].as_u64()), "{name}: {}", panel["id"]);
            ensure!(at("x")? + at("w")? <= 24, "{name}: {}", panel["title"]);
            for x in at("x")?..at("x")? + at("w")? {
                for y in at("y")?..at("y")? + at("h")? {
                    ensure!(taken.insert((x, y)), "{name}: {}", panel["title"]);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_list_of_expressions_is_complete_and_a_prometheus_parses_each() -> Result<()> {
    let mixin = Mixin::rendered()?;
    let expressions = mixin.expressions()?;
    let listed = |word: &str| expressions.iter().filter(|one| one.place.contains(word)).count();
    let files = files(mixin.folder())?;
    let written = |name: &str, key: &str| files[name].matches(key).count();
    ensure!(listed("record ") == written("rules.yaml", " expr: "), "rules");
    ensure!(listed("alert ") == written("alerts.yaml", " expr: "), "alerts");
    for (name, text) in files.iter().filter(|(name, _)| name.starts_with("dashboards/")) {
        let written = text.matches("\"expr\": ").count() + text.matches("\"definition\": ").count();
        ensure!(listed(name.trim_start_matches("dashboards/")) == written, "{name}");
    }
    let rules: Vec<_> = expressions
        .iter()
        .enumerate()
        .map(|(index, one)| serde_json::json!({"record": format!("q{index}"), "expr": one.query}))
        .collect();
    let path = mixin.folder().join("all.json");
    let groups = serde_json::json!({"groups": [{"name": "all", "rules": rules}]});
    std::fs::write(&path, groups.to_string())?;
    if !need_prometheus("the_list_of_expressions_is_complete_and_a_prometheus_parses_each") {
        return Ok(());
    }
    let said = done(prometheus("promtool")?.args(["check", "rules"]).arg(&path))?;
    ensure!(said.contains(&format!("{} rules found", expressions.len())), "{said}");
    Ok(())
}

#[test]
fn every_metric_is_in_the_documentation() -> Result<()> {
    let documented = documented();
    ensure!(documented.contains_key("process_open_fds"), "{documented:?}");
    let expressions = Mixin::rendered()?.expressions()?;
    let recorded: BTreeSet<_> =
        expressions.iter().filter_map(|one| one.place.strip_prefix("record ")).collect();
    let mut used = BTreeSet::new();
    for one in &expressions {
        for word in words(&one.query) {
            let ours = ["tcpcong_", "process_"].iter().any(|start| word.starts_with(start));
            if word.contains(":tcpcong_") {
                ensure!(recorded.contains(word), "{}: nothing records {word}", one.place);
            } else if ours {
                let bucket = word.strip_suffix("_bucket");
                let row = documented.get(bucket.unwrap_or(word));
                let row = row.with_context(|| format!("{}: what is {word}?", one.place))?;
                ensure!(bucket.is_none() || row.contains("| histogram |"), "{word}");
                used.insert(word);
            }
        }
        for part in
            one.query.split("state=\"").skip(1).filter(|_| !one.query.contains("alertstate"))
        {
            let state = part.split('"').next().unwrap_or_default();
            ensure!(STATES.contains(&state), "{}: {state}", one.place);
        }
    }
    ensure!(used.len() > 40, "{used:?}");
    Ok(())
}

#[test]
fn every_alert_has_its_part_of_the_runbook_and_says_where_that_is() -> Result<()> {
    let mixin = Mixin::rendered()?;
    let expressions = mixin.expressions()?;
    let alerts = alerts(&expressions);
    let headings: BTreeSet<_> =
        RUNBOOK.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    ensure!(alerts == headings, "{:?}", alerts.symmetric_difference(&headings));
    let rendered = std::fs::read_to_string(mixin.folder().join("alerts.yaml"))?;
    for alert in alerts {
        // As GitHub and its like make anchors of headings.
        let url = format!("runbook_url: \"mixin/runbook.md#{}\"", alert.to_lowercase());
        ensure!(rendered.contains(&url), "{url}");
    }
    Ok(())
}
