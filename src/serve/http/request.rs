//! What a page learns of a request. Not the request's head, which hyper reads.

/// A GET or HEAD of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    path: String,
    query: Vec<(String, String)>,
    accept: String,
    accept_encoding: String,
    trusted: bool,
}

/// A path or a query that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path or the query has a % that is not of two hexadecimal digits, or is not UTF-8")]
pub struct BadTarget;

impl Request {
    /// Of this path and query, with percents as they were sent. Nothing is accepted in
    /// particular, and the client is not trusted.
    pub fn new(target: &str) -> Result<Self, BadTarget> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true)?, decode(value, true)?));
        }
        Ok(Self {
            path: decode(path, false)?,
            query: pairs,
            accept: String::new(),
            accept_encoding: String::new(),
            trusted: false,
        })
    }

    /// With these headers Accept and Accept-Encoding.
    #[must_use]
    pub fn accepting(mut self, accept: &str, accept_encoding: &str) -> Self {
        accept.clone_into(&mut self.accept);
        accept_encoding.clone_into(&mut self.accept_encoding);
        self
    }

    /// From a client that is trusted, or is not.
    #[must_use]
    pub fn trusting(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// Decoded, with the slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Names and values, decoded, in their order; a value that is not there is empty.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The first value of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The header Accept, empty where there is none.
    #[must_use]
    pub fn accept(&self) -> &str {
        &self.accept
    }

    /// The header Accept-Encoding, empty where there is none.
    #[must_use]
    pub fn accept_encoding(&self) -> &str {
        &self.accept_encoding
    }

    /// Whether the client may see single flows: it has authenticated itself, or it is on
    /// this machine and nobody has to.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

/// Without percents, and in a query without pluses.
fn decode(text: &str, query: bool) -> Result<String, BadTarget> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        rest = others;
        bytes.push(match first {
            b'%' => {
                let (digits, others) = rest.split_at_checked(2).ok_or(BadTarget)?;
                rest = others;
                hexadecimal(digits[0])? * 16 + hexadecimal(digits[1])?
            }
            b'+' if query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| BadTarget)
}

fn hexadecimal(digit: u8) -> Result<u8, BadTarget> {
    let value = char::from(digit).to_digit(16).ok_or(BadTarget)?;
    u8::try_from(value).map_err(|_| BadTarget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        let request = Request::new("/fl%6Fws+?sort=loss&by=a%26b&q=x+y&&top=20&flag").unwrap();
        assert_eq!(request.path(), "/flows+");
        assert_eq!(request.parameter("by"), Some("a&b"));
        assert_eq!(request.parameter("q"), Some("x y"));
        assert_eq!(request.parameter("flag"), Some(""));
        assert_eq!(request.parameter("none"), None);
        assert_eq!(request.query().len(), 5);
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        for target in ["/%", "/%4", "/%zz", "/%+1", "/%ff", "/?a=%C3"] {
            assert_eq!(Request::new(target), Err(BadTarget), "{target}");
        }
    }
}
