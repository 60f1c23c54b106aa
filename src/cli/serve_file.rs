//! The file of `tcpcong serve`: keys are options, so what is right in one is right in the other.
//! Not here: what the options mean.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use toml::de::{DeTable, DeValue};

use super::UsageError;

/// What makes no sense of a service that is started again and again.
pub(super) const ON_THE_COMMAND_LINE: [&str; 7] =
    ["config.file", "check", "record", "from", "speed", "since", "until"];

/// An option that the file sets.
struct Setting {
    key: String,
    /// As on a command line; nothing of a switch that is off.
    word: Option<String>,
    line: usize,
}

/// The command line with what the file sets and it does not. `given`: what was found on it.
pub(super) fn merged(
    line: &[OsString],
    file: &Path,
    given: &ArgMatches,
    try_parse: &dyn Fn(&[OsString]) -> Result<(), UsageError>,
) -> Result<Vec<OsString>, UsageError> {
    let refused = |why: &str| UsageError(format!("{}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| refused(&error.to_string()))?;
    let settings =
        settings(&text).map_err(|why| UsageError(format!("{}:{why}", file.display())))?;
    let (mut merged, mut words) = (line.to_vec(), Vec::new());
    for Setting { key, word, line: number } in &settings {
        let said =
            |why: &str| Err(UsageError(format!("{}:{number}: {key}: {why}", file.display())));
        let Some(id) = option(key) else {
            return said("no such option; `tcpcong serve --help` lists them");
        };
        if ON_THE_COMMAND_LINE.contains(&key.as_str()) {
            return said("only on the command line");
        }
        let is_given = given.value_source(&id) == Some(ValueSource::CommandLine);
        let Some(word) = word.as_ref().filter(|_| !is_given) else { continue };
        merged.push(word.into());
        words.push((number, key, word));
    }
    let Err(all) = try_parse(&merged) else { return Ok(merged) };
    // Each by itself shows which it is, but for those that go with another.
    for (number, key, word) in words {
        let alone = [OsStr::new("tcpcong"), OsStr::new("serve"), OsStr::new(word)];
        match try_parse(&alone.map(OsString::from)) {
            Err(error) if !error.to_string().contains("were not provided") => {
                return Err(UsageError(format!("{}:{number}: {key}: {error}", file.display())));
            }
            _ => {}
        }
    }
    Err(UsageError(format!("{}, with what is on the command line: {all}", file.display())))
}

/// What clap calls the option of this name.
fn option(name: &str) -> Option<String> {
    let command = super::definition();
    let serve = command.find_subcommand("serve")?;
    let short = |one: &clap::Arg| name.len() == 1 && one.get_short() == name.chars().next();
    let option = serve.get_arguments().find(|one| one.get_long() == Some(name) || short(one));
    option.map(|option| option.get_id().to_string())
}

/// Whether it is given once for each value, and not with all of them.
fn is_repeated(name: &str) -> bool {
    let command = super::definition();
    let option = command
        .find_subcommand("serve")
        .and_then(|serve| serve.get_arguments().find(|one| one.get_long() == Some(name)));
    option.is_some_and(|option| {
        matches!(option.get_action(), clap::ArgAction::Append)
            && option.get_value_delimiter().is_none()
    })
}

/// What the text sets, in its order; or what is wrong with it, after the line's number.
fn settings(text: &str) -> Result<Vec<Setting>, String> {
    let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        let why: Vec<_> = error.message().split_whitespace().collect();
        format!("{line}: {}", why.join(" "))
    })?;
    let mut settings = Vec::new();
    collect("", table.get_ref(), &line_of, &mut settings)?;
    settings.sort_by_key(|setting| setting.line);
    Ok(settings)
}

/// Keys of tables are joined by dots, as options have them.
fn collect(
    before: &str,
    table: &DeTable<'_>,
    line_of: &dyn Fn(usize) -> usize,
    to: &mut Vec<Setting>,
) -> Result<(), String> {
    for (name, value) in table {
        let key = format!("{before}{}", name.get_ref());
        let line = line_of(name.span().start);
        if let DeValue::Table(table) = value.get_ref() {
            collect(&format!("{key}."), table, line_of, to)?;
            continue;
        }
        if let DeValue::Array(values) = value.get_ref()
            && is_repeated(&key)
        {
            for one in values {
                let text = shown(one.get_ref())
                    .ok_or_else(|| format!("{line}: {key}: not a list of texts"))?;
                let word = Some(format!("{}={text}", dashed(&key)));
                to.push(Setting { key: key.clone(), word, line });
            }
            continue;
        }
        let word = match value.get_ref() {
            DeValue::Boolean(is_on) => is_on.then(|| dashed(&key)),
            value => {
                let text = shown(value).ok_or_else(|| {
                    format!(
                        "{line}: {key}: not a text, a number, true or false, or a list of texts"
                    )
                })?;
                Some(format!("{}={text}", dashed(&key)))
            }
        };
        to.push(Setting { key, word, line });
    }
    Ok(())
}

fn dashed(key: &str) -> String {
    if key.len() == 1 { format!("-{key}") } else { format!("--{key}") }
}

fn shown(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Array(values) => {
            let each: Option<Vec<_>> = values.iter().map(|value| shown(value.get_ref())).collect();
            each.map(|each| each.join(","))
        }
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
