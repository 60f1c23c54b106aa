//! Headers that whoever runs a receiver asks for, as a token. Their values are never shown.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// What the protocol itself says.
const OWN: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];

/// The headers.
#[derive(Clone, Default, PartialEq)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Adds one; what is wrong with it otherwise, without its value.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let shown: String = name.chars().filter(char::is_ascii_graphic).collect();
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{shown}: not a header's name"))?;
        if OWN.contains(&key.as_str()) {
            return Err(format!("{shown}: the protocol says what this header is"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("{shown}: its value has characters that no header can have"))?;
        value.set_sensitive(true);
        self.0.insert(key, value);
        Ok(())
    }

    /// All of them.
    pub(super) fn all(&self) -> &HeaderMap {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        let mut headers = Headers::default();
        headers.add("Authorization", "Bearer secret").unwrap();
        assert_eq!(format!("{headers:?}"), "{\"authorization\"}");
        for (name, value) in
            [("", "secret"), ("a b", "secret"), ("x", "secret\n"), ("Host", "secret")]
        {
            let error = headers.add(name, value).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
