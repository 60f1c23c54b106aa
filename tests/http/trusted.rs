//! Who may see single flows, and whose answers are compressed: clients on this machine and
//! others, in a network namespace where an address that is not loopback's can be had.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::stand::{Stand, ask, curl, metrics};
use crate::support::needs::need_root;
use crate::support::netns::Netns;

#[test]
fn a_local_client_is_trusted_if_it_means_this_machine() -> Result<()> {
    let stand = Stand::plain()?;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let port = stand.address.port();
    for (headers, status) in [
        (format!("Host: 127.0.0.1:{port}"), 200),
        (format!("Host: localhost:{port}"), 200),
        (format!("Host: {}", hostname.trim()), 200),
        (format!("Host: rebound.example:{port}"), 403),
        ("Host: localhost\r\nX-Forwarded-For: 192.0.2.1".to_owned(), 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site".to_owned(), 403),
    ] {
        let head = format!("GET /flows HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        let answer = stand.ask(&head)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
    }
    let target = "GET http://rebound.example/flows HTTP/1.1\r\nHost: localhost\r\n\
                  Connection: close\r\n\r\n";
    ensure!(stand.ask(target)?.starts_with("HTTP/1.1 403"));
    ensure!(stand.ask("GET /flows HTTP/1.0\r\n\r\n")?.starts_with("HTTP/1.0 403"));
    Ok(())
}

#[test]
fn a_client_from_elsewhere_is_not_trusted_and_gets_gzip() -> Result<()> {
    if !need_root("a_client_from_elsewhere_is_not_trusted_and_gets_gzip") {
        return Ok(());
    }
    let netns = Netns::new("tcpcong-http")?;
    netns.run("ip", &["address", "add", "192.0.2.1/32", "dev", "lo"])?;
    netns.enter(|| -> Result<()> {
        let stand = Stand::at("0.0.0.0:0", "")?;
        let far = SocketAddr::from(([192, 0, 2, 1], stand.address.port()));
        let head = format!("GET /flows HTTP/1.1\r\nHost: {far}\r\nConnection: close\r\n\r\n");
        ensure!(ask(far, &head)?.starts_with("HTTP/1.1 403"));
        let zipped = curl(stand.directory(), "--compressed", &format!("{far}/metrics"))?;
        assert_eq!((zipped.status, zipped.body), (200, metrics()));
        ensure!(zipped.head.contains("content-encoding: gzip"), "{}", zipped.head);
        ensure!(zipped.bytes < 500, "{} bytes", zipped.bytes);
        for _ in 0..3 {
            let cached = curl(stand.directory(), "--compressed", &format!("{far}/cached"))?;
            assert_eq!((cached.status, cached.body.len()), (200, 20 << 20));
            ensure!(cached.head.contains("content-encoding: gzip"), "{}", cached.head);
        }
        let near = SocketAddr::from(([127, 0, 0, 1], stand.address.port()));
        let plain = curl(stand.directory(), "--compressed", &format!("{near}/metrics"))?;
        assert_eq!((plain.status, plain.body), (200, metrics()));
        ensure!(!plain.head.contains("content-encoding"), "{}", plain.head);
        ensure!(plain.head.contains("vary: accept-encoding"), "{}", plain.head);
        Ok(())
    })?
}
