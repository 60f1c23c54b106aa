//! What `tcpcong serve` accepts, on the command line and in its file.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Request, parse};
use super::*;

fn parsed(words: &[&str]) -> Result<ServeConfig, String> {
    let line = ["tcpcong", "serve"].iter().chain(words).map(OsString::from);
    match parse(line) {
        Ok(Request::Serve(config)) => Ok(*config),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// With a file of this text.
fn with_file(text: &str, words: &[&str]) -> Result<ServeConfig, String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("tcpcong.toml");
    fs::write(&file, text).expect("a file");
    let option = format!("--config.file={}", file.display());
    let outcome = parsed(&[&[option.as_str()], words].concat());
    outcome.map_err(|why| why.replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn addresses_are_those_that_exporters_take() {
    let listen = |text: &str| parsed(&["--web.listen-address", text]).map(|config| config.listen);
    let shown = |text: &str| {
        let addresses = listen(text).expect(text);
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(":9100"), ":9100");
    assert_eq!(shown("localhost:1"), "127.0.0.1:1");
    assert_eq!(shown("[::1]:1,10.0.0.1:2"), "[::1]:1 10.0.0.1:2");
    assert_eq!(parsed(&[]).expect("defaults").listen[0].to_string(), "127.0.0.1:10044");
    assert_eq!(
        listen("example:80").expect_err("a name"),
        "--web.listen-address example:80: not an address and port, such as 127.0.0.1:10044, \
         [::1]:10044 or :10044"
    );
    assert_eq!(shown("[::]:1,127.0.0.1:1"), "[::]:1 127.0.0.1:1");
    for (text, later, before) in
        [(":1,localhost:1", "localhost:1", ":1"), ("[::1]:1,[::1]:1", "[::1]:1", "[::1]:1")]
    {
        let said = format!(
            "--web.listen-address {later}: {before} is there as well, and both would listen at the \
             same; leave one of them out"
        );
        assert_eq!(listen(text).expect_err("an overlap"), said);
    }
}

#[test]
fn what_makes_no_sense_is_said_in_a_line() {
    for (words, said) in [
        (
            ["--by", "process"],
            "--by process: not one of cgroup, unit, pod, prefix[/N[/N]], lport, cc, netns",
        ),
        (["--by-limit", "0"], "--by-limit 0: not a whole number from 1 to 10000"),
        (["--interval", "0"], "--interval 0: not a number of seconds from 0.1 up"),
        (["--hindsight", "x"], "--hindsight x: not a time from 1s to 24h, such as 60s or 5m"),
        (["--state", "loss"], "unexpected argument '--state' found; see tcpcong serve --help"),
    ] {
        assert_eq!(parsed(&words).expect_err("an error"), said);
    }
}

#[test]
fn keys_of_the_file_are_options_and_the_command_line_counts_before_it() {
    let text = "by = \"unit\"\ninterval = 2.5\nverbose = false\nhindsight = \"5m\"\nR = \"443\"\n\
                [web]\nlisten-address = [\":1\", \"10.0.0.1:2\"]\nconfig.file = \"web.yml\"\n";
    let config = with_file(text, &["--by=cc", "--interval", "3"]).expect("a configuration");
    assert_eq!(config.label, LabelBy::Cc);
    assert_eq!(config.interval, Duration::from_secs(3));
    assert_eq!(config.hindsight, Some(Duration::from_secs(300)));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.web_config.as_deref(), Some("web.yml".as_ref()));
    assert_eq!(config.filter.rport.map(|ports| ports.first), Some(443));
    assert!(!config.options.verbose);
    assert_eq!(with_file("", &[]).map(|config| config.listen.len()), Ok(1));
}

#[test]
fn a_push_is_set_up_by_the_file_as_by_options() {
    let text = "[otlp]\ninterval = \"15s\"\nheader = [\"a=1,2\", \"b=3\"]\n\
                endpoint = \"http://receiver:4318\"\n";
    let otlp = with_file(text, &[]).expect("a configuration").otlp.expect("a push");
    assert_eq!(otlp.interval, Duration::from_secs(15));
    assert_eq!(otlp.endpoint.path, "/v1/metrics");
    assert_eq!(format!("{:?}", otlp.headers), "{\"a\", \"b\"}");
    assert_eq!(
        with_file("otlp.header = [\"a=1\", \"secret\"]\n", &[]).expect_err("no header"),
        "tcpcong.toml:1: otlp.header: --otlp.header: one is not NAME=VALUE"
    );
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_its_line_and_key() {
    for (text, said) in [
        (
            "by = \"unit\"\nbye = 1\n",
            "tcpcong.toml:2: bye: no such option; `tcpcong serve --help` lists them",
        ),
        (
            "\nby = \"user\"\n",
            "tcpcong.toml:2: by: --by user: not one of cgroup, unit, pod, prefix[/N[/N]], lport, cc, netns",
        ),
        ("by = \"unit\nx = 1\n", "tcpcong.toml:1: invalid basic string, expected `\"`"),
        ("check = true\n", "tcpcong.toml:1: check: only on the command line"),
        ("config.file = \"x\"\n", "tcpcong.toml:1: config.file: only on the command line"),
        (
            "interval = 2021-01-01\n",
            "tcpcong.toml:1: interval: not a text, a number, true or false, or a list of texts",
        ),
        (
            "interval = true\n",
            "tcpcong.toml:1: interval: a value is required for '--interval <SECONDS>' but none was supplied",
        ),
        (
            "verbose = 3\n",
            "tcpcong.toml:1: verbose: unexpected value '3' for '--verbose' found; no more were expected",
        ),
        (
            "[web]\nx = 1\n",
            "tcpcong.toml:2: web.x: no such option; `tcpcong serve --help` lists them",
        ),
        ("by = 1\nby = 2\n", "tcpcong.toml:2: duplicate key"),
    ] {
        assert_eq!(with_file(text, &[]).expect_err(text), said);
    }
    let missing = parsed(&["--config.file", "/none/such.toml"]).expect_err("no file");
    assert_eq!(missing, "/none/such.toml: No such file or directory (os error 2)");
}
