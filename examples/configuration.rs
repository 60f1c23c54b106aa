//! Prints the configuration of the service, packaging/tcpcong.toml: every option of `tcpcong
//! serve` as a key, commented out, with what it is where nobody sets it. `make man` writes it,
//! and a test holds them equal.

fn main() {
    print!("{}", configuration());
}

/// Of no use to a service, or not of a file.
const LEFT_OUT: [&str; 8] =
    ["config.file", "check", "record", "from", "speed", "since", "until", "help"];
const WIDTH: usize = 88;

/// The whole file.
pub(crate) fn configuration() -> String {
    let mut command = tcpcong::cli::definition();
    command.build();
    let serve = command.find_subcommand("serve").map(clap::Command::get_arguments);
    let options: Vec<_> =
        serve.into_iter().flatten().filter(|option| !is_left_out(option)).collect();
    let mut text = comment(
        "The configuration of tcpcong.service. Each key is an option of `tcpcong serve`, and each \
         value here what it is where nobody sets it: tcpcong-serve(8). After a change: systemctl \
         restart tcpcong. For what web.config.file names, systemctl reload tcpcong is enough.",
    );
    // Those without a heading come first.
    let mut headings = vec![None];
    for option in &options {
        let heading = option.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            text.extend(["\n# == ", heading, "\n"]);
        }
        for option in options.iter().filter(|option| option.get_help_heading() == heading) {
            text.extend(["\n", &comment(&help(option)), &setting(option)]);
        }
    }
    text
}

fn is_left_out(option: &clap::Arg) -> bool {
    option.get_long().is_none_or(|name| LEFT_OUT.contains(&name))
}

fn help(option: &clap::Arg) -> String {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    format!("{}.", help.trim_end_matches('.'))
}

/// The key with its value; without a default what a value is like.
fn setting(option: &clap::Arg) -> String {
    let key = option.get_long().unwrap_or_default();
    if !option.get_action().takes_values() {
        return format!("#{key} = false\n");
    }
    match option.get_default_values().first().map(|value| value.to_string_lossy()) {
        Some(value) if value.parse::<u64>().is_ok() => format!("#{key} = {value}\n"),
        Some(value) => format!("#{key} = \"{value}\"\n"),
        None => {
            let names = option.get_value_names().unwrap_or_default();
            let name = names.first().map_or("VALUE", |name| name.as_str());
            format!("#{key} = \"{name}\"   # not set\n")
        }
    }
}

/// In lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| line.len() + 1 + word.len() > WIDTH);
        if is_full {
            lines.push(String::from("#"));
        }
        if let Some(line) = lines.last_mut() {
            *line += " ";
            *line += word;
        }
    }
    lines.join("\n") + "\n"
}
