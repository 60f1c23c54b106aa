//! TLS, passwords, rates and headers, as a file has them, with curl on the other side.
//! Not what the file may say, which its parser's own tests have.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tcpcong::serve::http::Rejection;

use crate::stand::{Stand, metrics};
use crate::support::tool::pause;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const KNOWING: &str = "https --cacert ca.crt";
const CERTIFIED: &str = "https --cacert ca.crt --cert client.crt --key client.key";

fn with_clients(auth: &str, more: &str) -> String {
    let authority = if auth.contains("Verify") { "  client_ca_file: ca.crt\n" } else { "" };
    format!("{TLS}  client_auth_type: {auth}\n{authority}{more}")
}

fn users(cost: u32) -> Result<String> {
    Ok(format!("basic_auth_users:\n  prometheus: {}\n", bcrypt::hash("open:sesame", cost)?))
}

#[test]
fn https_is_served_by_the_files_certificate() -> Result<()> {
    let stand = Stand::with(TLS)?;
    let answer = stand.curl(KNOWING, "/metrics")?;
    assert_eq!((answer.status, answer.body), (200, metrics()));
    // 60: the authority is unknown to curl.
    assert_eq!(stand.curl("https", "/metrics")?.exit, 60);
    let plain = stand.curl("", "/metrics")?;
    assert_eq!((plain.status, plain.body.as_str()), (400, "this is HTTPS: ask by https://\n"));
    stand.wait_for(Rejection::Tls, 2, Duration::from_secs(5))
}

#[test]
fn versions_are_between_the_least_and_the_most() -> Result<()> {
    let newest = Stand::with(&format!("{TLS}  min_version: TLS13\n"))?;
    assert_eq!(newest.curl(&format!("{KNOWING} --tls-max 1.2"), "/metrics")?.exit, 35);
    assert_eq!(newest.curl(KNOWING, "/metrics")?.status, 200);
    let older = Stand::with(&format!(
        "{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  \
         curve_preferences: [CurveP256]\n"
    ))?;
    let by = |cipher: &str| older.curl(&format!("{KNOWING} --ciphers {cipher}"), "/metrics");
    assert_eq!(by("ECDHE-ECDSA-AES128-GCM-SHA256")?.status, 200);
    assert_eq!(by("ECDHE-ECDSA-AES256-GCM-SHA384")?.exit, 35);
    Ok(())
}

#[test]
fn only_clients_with_a_verified_certificate_are_let_in() -> Result<()> {
    let stand = Stand::with(&with_clients("RequireAndVerifyClientCert", ""))?;
    assert_eq!(stand.curl(CERTIFIED, "/flows")?.status, 200);
    ensure!(stand.curl(KNOWING, "/metrics")?.exit != 0);
    // Signed by the right authority, for servers.
    let wrong = format!("{KNOWING} --cert server.crt --key server.key");
    ensure!(stand.curl(&wrong, "/metrics")?.exit != 0);
    // An authority is not a client.
    let authority = format!("{KNOWING} --cert ca.crt --key ca.key");
    ensure!(stand.curl(&authority, "/metrics")?.exit != 0);
    ensure!(stand.curl(&format!("{CERTIFIED} --tls-max 1.2"), "/flows")?.status == 200);
    Ok(())
}

#[test]
fn a_certificate_that_is_not_verified_lets_in_and_is_not_trusted() -> Result<()> {
    for (auth, without, trusted) in [
        ("RequestClientCert", 200, 403),
        ("RequireAnyClientCert", 0, 403),
        ("VerifyClientCertIfGiven", 200, 200),
    ] {
        let stand = Stand::with(&with_clients(auth, ""))?;
        assert_eq!(stand.curl(KNOWING, "/metrics")?.status, without, "{auth}");
        assert_eq!(stand.curl(CERTIFIED, "/metrics")?.status, 200, "{auth}");
        assert_eq!(stand.curl(CERTIFIED, "/flows")?.status, trusted, "{auth}");
        if without == 200 {
            assert_eq!(stand.curl(KNOWING, "/flows")?.status, 403, "{auth}");
        }
    }
    Ok(())
}

#[test]
fn a_certificates_name_has_to_be_an_allowed_one() -> Result<()> {
    for (name, status) in [
        ("scraper.example", 200),
        ("192.0.2.1", 200),
        ("a@b.example", 200),
        ("spiffe://c.example/d", 200),
        ("other.example", 0),
        ("b.example", 0),
    ] {
        let more = format!("  client_allowed_sans: ['x.example', '{name}']\n");
        let stand = Stand::with(&with_clients("RequireAndVerifyClientCert", &more))?;
        assert_eq!(stand.curl(CERTIFIED, "/metrics")?.status, status, "{name}");
    }
    Ok(())
}

#[test]
fn a_password_is_asked_for_and_hashed_once() -> Result<()> {
    // Each hash takes a tenth of a second, and more of a debug build.
    let stand = Stand::with(&users(8)?)?;
    let nobody = stand.curl("", "/metrics")?;
    assert_eq!(nobody.status, 401);
    ensure!(nobody.head.contains("www-authenticate: basic"), "{}", nobody.head);
    for wrong in ["prometheus:sesame", "prometheus:", "other:open:sesame", ":"] {
        assert_eq!(stand.curl(&format!("-u {wrong}"), "/metrics")?.status, 401, "{wrong}");
    }
    assert_eq!(stand.curl("-u prometheus:open:sesame", "/flows")?.status, 200);
    let begin = Instant::now();
    for _ in 0..5 {
        assert_eq!(stand.curl("-u prometheus:open:sesame", "/flows")?.status, 200);
    }
    println!("five with a known password: {:?}", begin.elapsed());
    assert_eq!((stand.responses("2xx"), stand.responses("4xx")), (6, 5));
    Ok(())
}

#[test]
fn an_unknown_user_takes_as_long_as_a_known_one() -> Result<()> {
    let stand = Stand::with(&users(9)?)?;
    let time = |user: &str| -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..5 {
            let begin = Instant::now();
            assert_eq!(stand.curl(&format!("-u {user}:wrong"), "/metrics")?.status, 401);
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        Ok(times[0])
    };
    let (known, unknown) = (time("prometheus")?, time("nobody")?);
    println!("known {known:?}, unknown {unknown:?}");
    // Without a hash it would be a tenth; other tests run at the same time.
    ensure!(unknown > known / 4 && known > unknown / 4, "known {known:?}, unknown {unknown:?}");
    Ok(())
}

#[test]
fn many_wrong_passwords_do_not_keep_a_known_one_out() -> Result<()> {
    let stand = Stand::with(&users(10)?)?;
    assert_eq!(stand.curl("-u prometheus:open:sesame", "/metrics")?.status, 200);
    let mut guessing = Vec::new();
    for number in 0..60 {
        let mut stream = stand.connect()?;
        let guess = base64(&format!("prometheus:{number}"));
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {guess}\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes())?;
        guessing.push(stream);
    }
    let begin = Instant::now();
    assert_eq!(stand.curl("-u prometheus:open:sesame", "/metrics")?.status, 200);
    let took = begin.elapsed();
    println!("with 60 guesses before it, a known password took {took:?}");
    ensure!(took < Duration::from_secs(2), "{took:?}");
    // One is hashed, 16 wait, and the others are told to come again.
    ensure!(stand.responses("5xx") >= 40, "{}", stand.responses("5xx"));
    Ok(())
}

#[test]
fn guesses_whose_clients_have_gone_leave_one_password_being_hashed() -> Result<()> {
    let stand = Stand::with(&users(10)?)?;
    let begin = Instant::now();
    assert_eq!(stand.curl("-u prometheus:wrong", "/metrics")?.status, 401);
    let one = begin.elapsed();
    for number in 0..40 {
        let mut stream = stand.connect()?;
        let guess = base64(&format!("prometheus:{number}"));
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {guess}\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes())?;
        // Long enough for the request to be read.
        pause(Duration::from_millis(5));
    }
    stand.wait_until("the clients have gone", || stand.counters.open() == 0)?;
    let begin = Instant::now();
    assert_eq!(stand.curl("-u prometheus:open:sesame", "/metrics")?.status, 200);
    let took = begin.elapsed();
    println!("{one:?} for one guess, {took:?} after 40 that nobody waits for");
    ensure!(took < 6 * one, "{took:?}, and {one:?} for one");
    Ok(())
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn a_burst_is_answered_and_what_is_beyond_is_told_so() -> Result<()> {
    let stand = Stand::with("rate_limit:\n  interval: 1h\n  burst: 3\n")?;
    for status in [200, 200, 200, 429, 429] {
        let answer = stand.curl("", "/metrics")?;
        assert_eq!(answer.status, status);
        assert_eq!(answer.head.contains("retry-after: 1"), status == 429);
    }
    for _ in 0..5 {
        assert_eq!(stand.curl("", "/healthz")?.status, 200);
    }
    Ok(())
}

#[test]
fn whoever_watches_is_within_the_rate_once_the_password_is_known() -> Result<()> {
    let rate = "rate_limit:\n  interval: 1h\n  burst: 3\n";
    let stand = Stand::with(&format!("{}{rate}", users(4)?))?;
    let ask = |password: &str| -> Result<u16> {
        Ok(stand.curl(&format!("-u prometheus:{password}"), "/healthz")?.status)
    };
    for _ in 0..5 {
        assert_eq!(ask("open:sesame")?, 200);
    }
    for status in [401, 401, 429] {
        assert_eq!(ask("wrong")?, status);
    }
    assert_eq!((ask("open:sesame")?, stand.curl("", "/healthz")?.status), (200, 401));
    Ok(())
}

#[test]
fn headers_of_the_file_are_on_every_answer() -> Result<()> {
    let stand = Stand::with(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    \
         Strict-Transport-Security: max-age=1\n",
    )?;
    for path in ["/metrics", "/none", "/"] {
        let head = stand.curl("", path)?.head;
        ensure!(head.contains("x-frame-options: deny\r\n"), "{head}");
        ensure!(head.contains("strict-transport-security: max-age=1\r\n"), "{head}");
    }
    Ok(())
}

#[test]
fn a_new_configuration_holds_from_the_next_request_on() -> Result<()> {
    use std::io::{Read as _, Write as _};
    let stand = Stand::with(TLS)?;
    assert_eq!(stand.curl(KNOWING, "/metrics")?.status, 200);
    stand.reload("")?;
    assert_eq!(stand.curl("", "/metrics")?.status, 200);
    let mut kept = stand.connect()?;
    kept.write_all(b"GET /flows HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    ensure!(kept.read(&mut [0; 1000])? > 0);
    stand.reload(&users(4)?)?;
    assert_eq!(kept.read(&mut [0; 1000])?, 0);
    assert_eq!(stand.curl("", "/metrics")?.status, 401);
    assert_eq!(stand.curl("-u prometheus:open:sesame", "/metrics")?.status, 200);
    // A file that is wrong changes nothing.
    ensure!(stand.reload("nonsense").is_err());
    assert_eq!(stand.curl("", "/metrics")?.status, 401);
    // A new certificate of another authority.
    crate::support::certificates::Authority::with_both(stand.directory())?;
    stand.reload(TLS)?;
    assert_eq!(stand.curl(KNOWING, "/metrics")?.status, 200);
    Ok(())
}
