//! `tcpcong serve`: what a service is made of. Not here: the figures, which are `tcpcong-core`'s.

pub mod http;
