//! What `tcpcong serve` takes beside many quiet flows, and what a scrape takes of it.
//! Alone: bcc's tool serves nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::contender::{cpu_ms, peak_memory_mb};
use super::curve::{SETTLED, hold};
use super::page::{Page, ServiceRow};
use super::programs;
use super::support::lab::Lab;
use super::support::service::Service;
use super::support::tool::pause;

const FLOWS: [usize; 3] = [100, 10_000, 100_000];
/// Two looks at all sockets are in it.
const QUIET: Duration = Duration::from_secs(20);
const SCRAPES: u32 = 2_000;
const SETUPS: [(&str, &[&str]); 3] = [
    ("`--hindsight 0`", &["--hindsight", "0"]),
    ("the defaults: the last minute in memory", &[]),
    ("`--hindsight 0 --by prefix`", &["--hindsight", "0", "--by", "prefix"]),
];
const FORMATS: [(&str, &str); 3] = [
    ("text", ""),
    ("OpenMetrics", "Accept: application/openmetrics-text\r\n"),
    (
        "protobuf",
        "Accept: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
         encoding=delimited\r\n",
    ),
];

pub(crate) fn measure(page: &mut Page) -> Result<()> {
    for flows in FLOWS {
        let lab = Lab::new("service")?;
        let (_holders, _queues) = hold(&lab, flows)?;
        for (name, options) in SETUPS {
            page.service(row(flows, name, options)?);
        }
    }
    Ok(())
}

fn row(flows: usize, name: &'static str, options: &[&str]) -> Result<ServiceRow> {
    let service = Service::start(options)?;
    let pid = service.pid().as_raw().cast_unsigned();
    pause(SETTLED);
    let cpu_of = |time: Duration| -> Result<f64> {
        let (before_ms, begin) = (cpu_ms(pid)?, Instant::now());
        pause(time);
        Ok((cpu_ms(pid)? - before_ms) / begin.elapsed().as_secs_f64() / 10.0)
    };
    let quiet_percent = cpu_of(QUIET)?;
    let memory_mb = peak_memory_mb(pid)? + programs::map_memory_mb(pid)?;
    let mut sizes = Vec::new();
    for (format, head) in FORMATS {
        sizes.push((format, service.get_with("/metrics", head)?.body.len()));
    }
    let (before_ms, begin) = (cpu_ms(pid)?, Instant::now());
    for _ in 0..SCRAPES {
        let answer = service.get("/metrics")?;
        ensure!(answer.status == 200, "a scrape failed");
    }
    let idle_ms = begin.elapsed().as_secs_f64() * quiet_percent * 10.0;
    let scrape_us = (cpu_ms(pid)? - before_ms - idle_ms) * 1e3 / f64::from(SCRAPES);
    service.stop()?;
    Ok(ServiceRow { flows, name, quiet_percent, memory_mb, scrape_us, sizes })
}
