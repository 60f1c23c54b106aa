use super::*;

fn options(endpoint: Option<&str>) -> OtlpOptions {
    OtlpOptions { endpoint: endpoint.map(str::to_owned), ..OtlpOptions::default() }
}

fn of(options: &OtlpOptions, variables: &[(&str, &str)]) -> Result<Option<OtlpConfig>, OtlpError> {
    OtlpConfig::new(options, &|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn there(options: &OtlpOptions, variables: &[(&str, &str)]) -> OtlpConfig {
    of(options, variables).unwrap().unwrap()
}

#[test]
fn nothing_is_pushed_where_nobody_says_where_to() {
    assert_eq!(of(&options(None), &[]), Ok(None));
    let others = [("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")];
    assert_eq!(of(&options(None), &others), Ok(None));
    for switch in [("OTEL_SDK_DISABLED", "True"), ("OTEL_METRICS_EXPORTER", "none")] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:4317");
        assert_eq!(of(&options(None), &[switch, endpoint]), Ok(None));
        there(&options(Some("http://x:4317")), &[switch]);
    }
}

#[test]
fn the_port_of_grpc_means_grpc_and_others_http_with_the_path_of_metrics() {
    let grpc = there(&options(Some("http://x:4317")), &[]);
    assert_eq!((grpc.protocol, grpc.endpoint.path.as_str()), (Protocol::Grpc, "/"));
    let http = there(&options(Some("http://x:9090/api/v1/otlp/")), &[]);
    assert_eq!(http.protocol, Protocol::Http);
    assert_eq!(http.endpoint.path, "/api/v1/otlp/v1/metrics");
    let said = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(there(&options(Some("http://x:1")), &said).protocol, Protocol::Grpc);
}

#[test]
fn options_count_before_variables_and_those_of_metrics_before_those_of_all() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:4318/own"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=two%20words"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
    ];
    let config = there(&options(None), &variables);
    // A URL of metrics alone is used as it is.
    assert_eq!(config.endpoint.shown(), "http://metrics:4318/own");
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.timeout, Duration::from_secs(3));
    assert_eq!(config.headers.all()["b"], "two words");
    assert!(!config.gzip);
    let given = OtlpOptions {
        endpoint: Some("http://option:4318".to_owned()),
        protocol: Some("grpc".to_owned()),
        interval: Some("2s".to_owned()),
        headers: vec!["c=d=e".to_owned()],
    };
    let config = there(&given, &variables);
    assert_eq!((config.endpoint.host.as_str(), config.protocol), ("option", Protocol::Grpc));
    assert_eq!(config.interval, Duration::from_secs(2));
    assert_eq!(
        (config.headers.all().len(), &config.headers.all()["c"]),
        (1, &"d=e".parse().unwrap())
    );
    let usual = there(&options(Some("http://x")), &[]);
    assert_eq!((usual.interval, usual.timeout, usual.gzip), (INTERVAL, TIMEOUT, true));
}

#[test]
fn a_service_has_the_name_that_its_own_variable_says() {
    let variables = [
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=test"),
        ("OTEL_SERVICE_NAME", "b"),
    ];
    let config = there(&options(Some("http://x")), &variables);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = [pair("deployment.environment.name", "test"), pair("service.name", "b")];
    assert_eq!(config.resource, expected);
}

#[test]
fn what_is_wrong_is_said_by_the_name_of_what_says_it_and_never_with_a_headers_value() {
    let said = |options: &OtlpOptions, variables: &[(&str, &str)]| {
        of(options, variables).unwrap_err().to_string()
    };
    assert_eq!(
        said(&options(Some("localhost:4317")), &[]),
        "--otlp.endpoint localhost:4317: not a URL such as http://localhost:4317"
    );
    assert_eq!(
        there(&options(Some("http://x:4317/v1/metrics")), &[]).check().unwrap_err().to_string(),
        "http://x:4317/v1/metrics: gRPC has no paths: leave it out, or say --otlp.protocol http"
    );
    assert_eq!(
        said(&options(None), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "x")]),
        "OTEL_EXPORTER_OTLP_ENDPOINT=x: not a URL such as http://localhost:4317"
    );
    assert_eq!(
        said(&options(Some("http://x")), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]),
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/json: not grpc or http, which is http/protobuf"
    );
    let interval = OtlpOptions { interval: Some("0".to_owned()), ..options(Some("http://x")) };
    assert_eq!(said(&interval, &[]), "--otlp.interval 0: not a time from 1s to 1h, such as 15s");
    let alone = OtlpOptions { interval: Some("1s".to_owned()), ..options(None) };
    assert_eq!(of(&alone, &[]), Ok(None));
    let lack = alone.lack().unwrap().to_string();
    assert!(lack.starts_with("--otlp.interval: nobody says where to push"), "{lack}");
    assert_eq!(options(None).lack(), None);
    let wrong = OtlpOptions { interval: Some("x".to_owned()), ..options(None) };
    assert!(said(&wrong, &[]).starts_with("--otlp.interval x: not a time"));
    for header in ["secret", "a b=secret", "x=secret\u{7}", "te=secret"] {
        let headers = OtlpOptions { headers: vec![header.to_owned()], ..options(Some("http://x")) };
        let error = said(&headers, &[]);
        assert!(error.starts_with("--otlp.header") && !error.contains("secret"), "{error}");
    }
    for list in ["secret", "k=secret%", "te=secret"] {
        let error = said(&options(Some("http://x")), &[("OTEL_EXPORTER_OTLP_HEADERS", list)]);
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(
        said(&options(Some("http://me:secret@x")), &[]),
        "--otlp.endpoint http://***@x: no names or passwords here: a header has them"
    );
    for url in ["me:secret@x", "http://me:se/secret@x", "http://me:secret@a@x", "me:secret://@x"] {
        let error = said(&options(None), &[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
        assert!(error.contains("***@x: ") && !error.contains("secret"), "{error}");
    }
}
