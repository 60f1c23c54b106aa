//! What a page answers. Not how it is sent.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use super::gzip;

/// A line of text, in UTF-8.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Status, headers and what follows.
#[derive(Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Cow<'static, str>,
    pub(super) content: Content,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) unknown: bool,
}

/// What follows the head.
pub enum Content {
    /// All of it. It is compressed for those who are far away and accept gzip.
    Bytes(Vec<u8>),
    /// The same, of what others are answered as well.
    Cached(Arc<CachedBytes>),
    /// Written aside while it is sent, for what is too large to have in memory. Of slow paths
    /// only: elsewhere it would be written with nobody counting how many are.
    Stream(Stream),
}

/// What several clients are answered, with the same compressed: made once, and shared by them.
#[derive(Debug)]
pub struct CachedBytes {
    bytes: Arc<[u8]>,
    compressed: OnceLock<Option<Arc<Self>>>,
}

impl CachedBytes {
    /// They are not in memory a second time.
    #[must_use]
    pub fn new(bytes: Arc<[u8]>) -> Arc<Self> {
        Arc::new(Self { bytes, compressed: OnceLock::new() })
    }

    /// They.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// They, compressed, where that saves any.
    pub(super) fn compressed(&self) -> Option<Arc<Self>> {
        let compress = || gzip::compressed(&self.bytes).map(|bytes| Self::new(bytes.into()));
        self.compressed.get_or_init(compress).clone()
    }
}

/// Writes a content.
pub type Stream = Box<dyn FnOnce(Box<dyn Write>) -> io::Result<()> + Send>;

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(formatter, "{} bytes", bytes.len()),
            Self::Cached(cached) => write!(formatter, "{} bytes", cached.bytes.len()),
            Self::Stream(_) => formatter.write_str("a stream"),
        }
    }
}

impl Answer {
    /// This content, of this type, with a status from 200 to 599.
    #[must_use]
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, content: Content) -> Self {
        let content_type = content_type.into();
        Self { status, content_type, content, headers: Vec::new(), unknown: false }
    }

    /// 200, with these bytes.
    #[must_use]
    pub fn ok(content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(200, content_type, Content::Bytes(bytes.into()))
    }

    /// 200, with these bytes, of which others have the same.
    #[must_use]
    pub fn cached(content_type: impl Into<Cow<'static, str>>, cached: Arc<CachedBytes>) -> Self {
        Self::new(200, content_type, Content::Cached(cached))
    }

    /// A line of text; its end is added.
    #[must_use]
    pub fn line(status: u16, line: impl Into<String>) -> Self {
        let mut line = line.into();
        line.push('\n');
        Self::new(status, TEXT, Content::Bytes(line.into_bytes()))
    }

    /// 200, with all that this writes. A connection whose writing fails is closed before the
    /// end, which the client can tell from a whole answer.
    #[must_use]
    pub fn stream(
        content_type: impl Into<Cow<'static, str>>,
        write: impl FnOnce(Box<dyn Write>) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self::new(200, content_type, Content::Stream(Box::new(write)))
    }

    /// There is no such page; the server says which there are.
    #[must_use]
    pub fn unknown() -> Self {
        Self { unknown: true, ..Self::new(404, TEXT, Content::Bytes(Vec::new())) }
    }

    /// This page is for trusted clients only.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::line(
            403,
            "this page shows single flows: ask from this machine, by its address or as localhost \
             and through no proxy, or have --web.config.file authenticate clients",
        )
    }

    /// With one more header. A value that cannot be one is left out.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Its content's type.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// What follows the head.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The same, alone.
    #[must_use]
    pub fn into_content(self) -> Content {
        self.content
    }
}
