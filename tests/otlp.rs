//! Metrics pushed by OTLP while there is real loss: what receivers get is what is scraped, also
//! when they were away, refuse, stall, or are trusted by a certificate of their own.

#![cfg(feature = "serve")]
#![allow(clippy::float_cmp, reason = "counts are whole numbers")]

#[path = "otlp/compare.rs"]
mod compare;
#[path = "otlp/points.rs"]
mod points;
#[path = "otlp/receiver.rs"]
mod receiver;
mod support;
#[path = "otlp/victoria.rs"]
mod victoria;

use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use compare::{STATES, ensure_forward, ensure_same};
use points::{points, resource, sum};
use receiver::{Answer, Kind, Push, Receiver, Shared};
use support::certificates::Authority;
use support::needs::need_root;
use support::scene::Scene;
use support::service::{Metrics, Service};
use support::tool::{command, pause};
use tempfile::TempDir;
use tonic::Code;
use victoria::{Victoria, need_victoria};

/// Seconds of traffic.
const TRAFFIC: f64 = 3.0;
/// Snapshots that wait for a receiver.
const QUEUE: usize = 60;

/// A service of this scene's senders that pushes to this URL, each second ...
fn service(scene: &Scene, url: &str, options: &[&str]) -> Result<Service> {
    service_that_pushes_each("1s", scene, url, options)
}

/// ... or at this interval.
fn service_that_pushes_each(
    interval: &str,
    scene: &Scene,
    url: &str,
    options: &[&str],
) -> Result<Service> {
    let port = scene.port();
    let usual =
        ["-R", &port, "--interval", "1", "--otlp.endpoint", url, "--otlp.interval", interval];
    Service::start(&[&usual[..], options].concat())
}

fn url(receiver: &Receiver) -> String {
    format!("http://{}", receiver.address())
}

/// Waits for the push of a snapshot that was made two seconds from now, or later.
fn updated(receiver: &Receiver) -> Result<Push> {
    let then = SystemTime::now() + Duration::from_secs(2);
    let then_ns = u64::try_from(then.duration_since(UNIX_EPOCH)?.as_nanos())?;
    let is_later = |push: &Push| made_at_ns(push).is_ok_and(|made_ns| made_ns > then_ns);
    let pushes = receiver.wait(|pushes| pushes.last().is_some_and(is_later))?;
    pushes.last().cloned().context("a push")
}

fn made_at_ns(push: &Push) -> Result<u64> {
    Ok(points(push)?.first().context("points")?.times_ns.1)
}

fn exports(metrics: &Metrics, result: &str) -> f64 {
    metrics.sum("tcpcong_otlp_exports_total", &[("result", result)])
}

#[test]
fn what_is_pushed_is_what_is_scraped() -> Result<()> {
    if !need_root("what_is_pushed_is_what_is_scraped") {
        return Ok(());
    }
    for kind in Kind::BOTH {
        let scene = Scene::set("otlp")?;
        let receiver = Receiver::start(kind)?;
        let header = "authorization=Bearer of=bad news";
        let options = ["--otlp.protocol", kind.name(), "--otlp.header", header, "--by", "cc"];
        let service = service(&scene, &url(&receiver), &options)?;
        scene.send(TRAFFIC)?;
        let push = updated(&receiver)?;
        let metrics = service.metrics()?;
        ensure_same(&push, &metrics)?;
        let of_cubic = sum(&points(&push)?, "tcpcong.state.time", &[("tcpcong.cc", "cubic")]);
        ensure!(of_cubic > 1.0, "{of_cubic} s");
        service.stop()?;
        let pushes = receiver.pushes();
        ensure_forward(&pushes)?;
        ensure!(exports(&metrics, "sent") > 3.0, "{metrics:?}");
        ensure!(exports(&metrics, "failed") + exports(&metrics, "dropped") == 0.0);

        let retransmits = points(&push)?;
        let timeouts = [("network.tcp.retransmit.type", "timeout")];
        let by_type = sum(&retransmits, "tcpcong.state.transitions", &timeouts);
        ensure!(by_type == sum(&retransmits, "tcpcong.rto.timeouts", &[]), "{by_type} timeouts");
        let headers = &push.headers;
        ensure!(headers["authorization"] == "Bearer of=bad news", "{headers:?}");
        ensure!(headers["user-agent"].starts_with("tcpcong/"), "{headers:?}");
        let encoding = ["content-encoding", "grpc-encoding"].map(|name| headers.get(name));
        ensure!(encoding.into_iter().flatten().eq(["gzip"]), "{headers:?}");
        let resource = resource(&push);
        ensure!(resource["service.name"] == "tcpcong" && resource["os.type"] == "linux");
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
        ensure!(resource["host.name"] == host.trim(), "{resource:?}");
    }
    Ok(())
}

#[test]
fn opentelemetrys_variables_say_what_options_do_not() -> Result<()> {
    if !need_root("opentelemetrys_variables_say_what_options_do_not") {
        return Ok(());
    }
    let receiver = Receiver::start(Kind::Http)?;
    let service = Service::started(
        command()
            .args(["serve", "--web.listen-address", "127.0.0.1:0", "-R", "1"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", url(&receiver))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=two%20words")
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .env("OTEL_RESOURCE_ATTRIBUTES", "host.name=a,deployment.environment.name=test")
            .env("OTEL_SERVICE_NAME", "tcp"),
    )?;
    let pushes = receiver.wait(|pushes| pushes.len() >= 3)?;
    service.stop()?;
    let last = pushes.last().context("a push")?;
    ensure!(last.headers["x-token"] == "two words", "{:?}", last.headers);
    ensure!(!last.headers.contains_key("content-encoding"), "{:?}", last.headers);
    let resource = resource(last);
    for (key, value) in
        [("host.name", "a"), ("deployment.environment.name", "test"), ("service.name", "tcp")]
    {
        ensure!(resource[key] == value, "{resource:?}");
    }
    Ok(())
}

#[test]
fn a_receiver_that_was_away_gets_all_of_it_later() -> Result<()> {
    if !need_root("a_receiver_that_was_away_gets_all_of_it_later") {
        return Ok(());
    }
    for kind in Kind::BOTH {
        let scene = Scene::set("otlpaway")?;
        let receiver = Receiver::start(kind)?;
        let (address, shared) = (receiver.address(), Shared::clone(receiver.shared()));
        let service = service(&scene, &url(&receiver), &["--otlp.protocol", kind.name()])?;
        receiver.wait(|pushes| pushes.len() >= 2)?;
        drop(receiver);
        scene.send(TRAFFIC)?;
        let said = service.said("does not take pushes")?;
        ensure!(said.contains("Connection refused"), "{said}");
        let receiver = Receiver::at(address, kind, &shared, None)?;
        let over = service.said("OTLP")?;
        ensure!(over.ends_with("takes pushes again; none were lost"), "{over}");
        let push = updated(&receiver)?;
        let metrics = service.metrics()?;
        ensure_same(&push, &metrics)?;
        service.stop()?;
        // One each second, although some came late.
        let pushes = receiver.pushes();
        let times = ensure_forward(&pushes)?;
        let gap = times.windows(2).map(|two| two[1] - two[0]).max().context("pushes")?;
        ensure!(gap < 2_900_000_000, "{gap} ns between two snapshots of {times:?}");
        let pause = pushes.windows(2).map(|two| two[1].came - two[0].came).max();
        ensure!(pause > Some(Duration::from_secs(2)), "{pause:?}: it was never away");
        ensure!(exports(&metrics, "dropped") + exports(&metrics, "failed") == 0.0);
    }
    Ok(())
}

#[test]
fn no_more_waits_than_there_is_room_for_and_what_is_dropped_is_counted() -> Result<()> {
    if !need_root("no_more_waits_than_there_is_room_for_and_what_is_dropped_is_counted") {
        return Ok(());
    }
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let url = format!("http://{address}");
    let service = Service::start(&["-R", "1", "--otlp.endpoint", &url, "--otlp.interval", "1s"])?;
    service.said("does not take pushes")?;
    let until = Instant::now() + Duration::from_secs(QUEUE as u64 * 2);
    while exports(&service.metrics()?, "dropped") < 3.0 {
        ensure!(Instant::now() < until, "nothing was dropped");
        pause(Duration::from_millis(200));
    }
    let receiver = Receiver::at(address, Kind::Http, &Shared::default(), None)?;
    let over = service.said("OTLP")?;
    let pushes = receiver.wait(|pushes| pushes.len() > QUEUE + 1)?;
    let metrics = service.updated_metrics()?;
    let dropped = exports(&metrics, "dropped");
    ensure!(over.ends_with(&format!("{dropped} were lost")), "{over}, and {dropped} dropped");
    let times = ensure_forward(&pushes)?;
    // Those that waited are one after the other.
    let waited = times.get(1..QUEUE).context("times")?;
    let gap = waited.windows(2).map(|two| two[1] - two[0]).max().context("pushes")?;
    ensure!(gap < 2_900_000_000, "{gap} ns between two snapshots of {times:?}");
    ensure!(exports(&metrics, "failed") == 0.0);
    service.stop()
}

#[test]
fn what_may_be_tried_again_is_and_what_may_not_is_counted() -> Result<()> {
    if !need_root("what_may_be_tried_again_is_and_what_may_not_is_counted") {
        return Ok(());
    }
    // google.rpc.Status{details: [Any{RetryInfo{retry_delay: 2 s}}]}.
    let retry_info =
        b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x02";
    let http = |status, header| Answer::Http(status, header);
    let grpc = |code, details: &[u8]| Answer::Grpc(code, details.to_vec());
    // An answer of each kind: again after a pause of its own, again after 2 s, refused, in part.
    for (kind, answers) in [
        (Kind::Http, [http(503, None), http(429, Some(("retry-after", "2"))), http(400, None)]),
        (
            Kind::Grpc,
            [
                grpc(Code::Unavailable, &[]),
                grpc(Code::ResourceExhausted, retry_info),
                grpc(Code::ResourceExhausted, &[]),
            ],
        ),
    ] {
        let receiver = Receiver::start(kind)?;
        receiver.answer(answers.into_iter().chain([Answer::Partial(3), Answer::Partial(0)]));
        let options = ["-R", "1", "--otlp.interval", "1s", "--otlp.protocol", kind.name()];
        let url = url(&receiver);
        let service = Service::start(&[&options[..], &["--otlp.endpoint", &url]].concat())?;
        service.said("does not take pushes")?;
        let said = service.said("OTLP")?;
        ensure!(said.ends_with("takes pushes again; 2 were lost"), "{said}");
        let pushes = receiver.wait(|pushes| pushes.len() >= 8)?;
        let metrics = service.updated_metrics()?;
        service.stop()?;
        let times: Vec<u64> = pushes.iter().map(made_at_ns).collect::<Result<_>>()?;
        // The first came three times; what was refused, or a part of it, did not come again.
        ensure!(times[0] == times[1] && times[1] == times[2], "{times:?}");
        ensure!(times[2..].windows(2).all(|two| two[0] < two[1]), "{times:?}");
        let pauses = [1, 2].map(|at| pushes[at].came - pushes[at - 1].came);
        ensure!(pauses[0] >= Duration::from_millis(790), "{pauses:?}");
        ensure!(pauses[1] >= Duration::from_millis(1990), "{pauses:?}");
        ensure!(exports(&metrics, "failed") == 2.0 && exports(&metrics, "dropped") == 0.0);
    }
    Ok(())
}

#[test]
fn a_receiver_that_stalls_keeps_neither_tracing_nor_the_end_waiting() -> Result<()> {
    if !need_root("a_receiver_that_stalls_keeps_neither_tracing_nor_the_end_waiting") {
        return Ok(());
    }
    for kind in Kind::BOTH {
        let scene = Scene::set("otlpstall")?;
        let receiver = Receiver::start(kind)?;
        receiver.answer((0..100).map(|_| Answer::Silence));
        let service = service(&scene, &url(&receiver), &["--otlp.protocol", kind.name()])?;
        scene.send(TRAFFIC)?;
        let metrics = service.updated_metrics()?;
        // The kernel may hide an event from every program; no entry of the log waited too long.
        ensure!(metrics.sum("tcpcong_entries_dropped_total", &[]) == 0.0);
        ensure!(metrics.sum("tcpcong_flows_ended_total", &[]) == 8.0);
        let began = Instant::now();
        service.stop()?;
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(4), "the end took {took:?}");
    }
    Ok(())
}

#[test]
fn the_end_has_a_last_push() -> Result<()> {
    if !need_root("the_end_has_a_last_push") {
        return Ok(());
    }
    let scene = Scene::set("otlplast")?;
    let receiver = Receiver::start(Kind::Http)?;
    let service = service_that_pushes_each("1h", &scene, &url(&receiver), &[])?;
    receiver.wait(|pushes| pushes.len() == 1)?;
    scene.send(TRAFFIC)?;
    let metrics = service.updated_metrics()?;
    service.stop()?;
    let pushes = receiver.pushes();
    ensure!(pushes.len() == 2, "{} pushes", pushes.len());
    ensure_forward(&pushes)?;
    ensure_same(&pushes[1], &metrics)
}

#[test]
fn a_receiver_may_have_a_certificate_that_the_machine_trusts() -> Result<()> {
    if !need_root("a_receiver_may_have_a_certificate_that_the_machine_trusts") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let authority = Authority::new(folder.path(), "ca")?;
    authority.sign("server", "DNS:localhost,IP:127.0.0.1", "serverAuth")?;
    let read = |name: &str| std::fs::read(folder.path().join(name));
    let (trusted, other) = (folder.path().join("ca.crt"), TempDir::new()?);
    Authority::new(other.path(), "ca")?;
    for kind in Kind::BOTH {
        let identity = Some((read("server.crt")?, read("server.key")?));
        let anywhere = ([127, 0, 0, 1], 0).into();
        let receiver = Receiver::at(anywhere, kind, &Shared::default(), identity)?;
        let url = format!("https://localhost:{}", receiver.address().port());
        let mut line = command();
        line.args(["serve", "--web.listen-address", "127.0.0.1:0", "-R", "1"])
            .args(["--otlp.endpoint", &url, "--otlp.protocol", kind.name()])
            .args(["--otlp.interval", "1s"]);
        let trusting = Service::started(line.env("SSL_CERT_FILE", &trusted))?;
        receiver.wait(|pushes| pushes.len() >= 2)?;
        trusting.stop()?;
        let pushes = receiver.pushes().len();
        let stranger = Service::started(line.env("SSL_CERT_FILE", other.path().join("ca.crt")))?;
        let said = stranger.said("does not take pushes")?;
        ensure!(said.contains("certificate"), "{said}");
        stranger.stop()?;
        ensure!(receiver.pushes().len() == pushes, "it was trusted");
        // A file of its own counts before the machine's.
        line.env("OTEL_EXPORTER_OTLP_CERTIFICATE", &trusted);
        let own = Service::started(&mut line)?;
        receiver.wait(|now| now.len() > pushes)?;
        own.stop()?;
    }
    Ok(())
}

#[test]
fn check_says_what_is_wrong_in_one_line() -> Result<()> {
    let folder = TempDir::new()?;
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "")?;
    let check = |options: &[&str]| -> Result<(Option<i32>, String)> {
        let output = command()
            .args(["serve", "--check"])
            .args(options)
            .env("SSL_CERT_FILE", &empty)
            .env_remove("SSL_CERT_DIR")
            .output()?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    };
    for (options, expected) in [
        (&["--otlp.endpoint", "localhost"][..], "--otlp.endpoint localhost: not a URL"),
        (&["--otlp.endpoint", "http://x:4317/a"], "gRPC has no paths"),
        (&["--otlp.protocol", "grpc"], "--otlp.protocol: nobody says where to push"),
        (&["--otlp.endpoint", "http://x", "--otlp.protocol", "udp"], "not grpc or http"),
        (&["--otlp.endpoint", "http://x", "--otlp.interval", "-1s"], "not a time from 1s to 1h"),
        (&["--otlp.endpoint", "http://x", "--otlp.header", "secret"], "one is not NAME=VALUE"),
        (&["--otlp.endpoint", "https://x"], "no certificates of authorities"),
    ] {
        let (status, said) = check(options)?;
        ensure!(status == Some(2) && said.lines().count() == 1, "{options:?}: {status:?} {said}");
        ensure!(said.contains(expected) && !said.contains("secret"), "{options:?}: {said}");
    }
    let (status, said) = check(&["--otlp.endpoint", "http://x:4317", "--otlp.header", "a=b"])?;
    ensure!(status == Some(0), "{said}");
    Ok(())
}

#[test]
fn a_real_receiver_answers_the_seconds_that_are_scraped() -> Result<()> {
    if !need_root("a_real_receiver_answers_the_seconds_that_are_scraped")
        || !need_victoria("a_real_receiver_answers_the_seconds_that_are_scraped")
    {
        return Ok(());
    }
    let scene = Scene::set("otlpreal")?;
    let victoria = Victoria::start()?;
    let service = service(&scene, &victoria.otlp(), &[])?;
    scene.send(TRAFFIC)?;
    let metrics = service.updated_metrics()?;
    service.stop()?;
    for (name, label, prometheus) in [
        ("tcpcong_state_time_seconds_total", "tcpcong_state", "tcpcong_state_seconds_total"),
        ("tcpcong_segment_delivered_total", "tcpcong_state", "tcpcong_delivered_segments_total"),
        (
            "system_network_tcp_retransmits_total",
            "tcpcong_state",
            "tcpcong_retransmitted_segments_total",
        ),
        ("tcpcong_spell_duration_seconds_count", "tcpcong_state", "tcpcong_spell_seconds_count"),
        ("tcpcong_spell_duration_seconds_sum", "tcpcong_state", "tcpcong_spell_seconds_sum"),
    ] {
        for state in STATES {
            let scraped = metrics.sum(prometheus, &[("state", state)]);
            let answered =
                victoria.value(&format!("sum({name}{{{label}=\"{state}\"}})"), scraped)?;
            let difference = (answered - scraped).abs();
            ensure!(difference < 1e-6, "{name} in {state}: {answered}, and {scraped} scraped");
        }
    }
    let fast = "sum(tcpcong_state_transitions_total{network_tcp_retransmit_type=\"fast\"})";
    let by = |cause| metrics.sum("tcpcong_transitions_total", &[("cause", cause)]);
    let scraped = by("fast-retransmit") + by("rack-timer");
    let answered = victoria.value(fast, scraped)?;
    ensure!(answered == scraped && scraped > 0.0, "{answered}, and {scraped} scraped");
    Ok(())
}
