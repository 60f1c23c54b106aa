//! The HTTP server of `tcpcong serve` with pages of its own: real sockets, real TLS, curl as a
//! client that shares nothing with it, and clients that mean no good.
//! Not what the service's own pages say.
#![cfg(feature = "serve")]

mod hostile;
mod pages;
mod secured;
mod stand;
#[path = "../support/mod.rs"]
mod support;
mod trusted;
