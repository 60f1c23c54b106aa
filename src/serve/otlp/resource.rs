//! Which machine and which service the points are of (OpenTelemetry's resource). Not here: what a
//! message is.

use std::fs;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// What is found of this machine; and what is given beside it, which counts before.
pub(super) fn resource(given: &[(String, String)]) -> Resource {
    let line = |file: &str| {
        let text = fs::read_to_string(file).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let host = line("/proc/sys/kernel/hostname");
    let found = [
        ("service.name", Some("tcpcong".to_owned())),
        ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        // Without it receivers take several machines' services for one.
        ("service.instance.id", host.clone()),
        ("host.name", host),
        ("host.id", line("/etc/machine-id").or_else(|| line("/var/lib/dbus/machine-id"))),
        ("host.arch", Some(architecture().to_owned())),
        ("os.type", Some("linux".to_owned())),
        ("os.version", line("/proc/sys/kernel/osrelease")),
    ];
    let found = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let found = found.filter(|(key, _)| !given.iter().any(|(given, _)| given == key));
    let mut attributes: Vec<_> =
        found.map(|(key, value)| attribute(key.to_owned(), value)).collect();
    for (index, (key, value)) in given.iter().enumerate() {
        // Of one that is given twice the last counts.
        if !given[index + 1..].iter().any(|(later, _)| later == key) {
            attributes.push(attribute(key.clone(), value.clone()));
        }
    }
    Resource { attributes, ..Resource::default() }
}

/// As the conventions call them.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "x86",
        other => other,
    }
}

/// An attribute with a text.
pub(super) fn attribute(key: String, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key, value, ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(resource: &Resource, key: &str) -> Option<String> {
        let mut found = resource.attributes.iter().filter(|attribute| attribute.key == key);
        let value = found.next()?.value.clone()?.value?;
        assert!(found.next().is_none(), "{key} is there twice");
        match value {
            any_value::Value::StringValue(text) => Some(text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_machine_is_described_and_what_is_given_counts_before() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let given = [pair("host.name", "a"), pair("x", "1"), pair("x", "2")];
        let resource = resource(&given);
        assert_eq!(value(&resource, "service.name").as_deref(), Some("tcpcong"));
        assert_eq!(value(&resource, "os.type").as_deref(), Some("linux"));
        assert_eq!(value(&resource, "host.name").as_deref(), Some("a"));
        assert_eq!(value(&resource, "x").as_deref(), Some("2"));
        assert!(value(&resource, "service.instance.id").is_some());
    }
}
