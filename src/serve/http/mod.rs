//! The HTTP side of an exporter: connections, TLS, authentication and limits, of whatever
//! pages there are. Not here: what the pages say, which is a [`Pages`]'s.

mod admission;
mod answer;
mod authentication;
mod body;
mod config;
mod connection;
mod counters;
mod gzip;
mod landing;
mod listen;
mod pace;
mod request;
mod respond;
mod server;
mod trust;
mod web;

#[cfg(test)]
mod tests;

pub use answer::{Answer, CachedBytes, Content, Stream};
pub use config::{WebConfig, WebConfigError};
pub use counters::{HttpCounters, Rejection};
pub use listen::Listen;
pub use request::{BadTarget, Request};
pub use server::{Running, Server};

/// What is served.
pub trait Pages: Send + Sync {
    /// The answer to a GET or HEAD of anything but `/`; [`Answer::unknown()`] where there is
    /// no such page. It is called on the server's only thread, unless the path is slow.
    fn answer(&self, request: &Request) -> Answer;

    /// Whether answering takes so long that it is done aside, two at a time.
    fn is_slow(&self, _path: &str) -> bool {
        false
    }

    /// Whether who watches the service asks for it, and neither the rate of other requests nor
    /// other answers may be in its way. It is to be small, and quick.
    fn is_health(&self, _path: &str) -> bool {
        false
    }

    /// The title of the landing page.
    fn title(&self) -> &str;

    /// One sentence below the title.
    fn description(&self) -> &str;

    /// The pages, for the landing page and for those who ask for another.
    fn links(&self) -> &[Link];
}

/// A page that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// With the slash, and a query where one makes a good example.
    pub path: &'static str,
    /// What is there, in a few words.
    pub description: &'static str,
}
