//! The API under schemathesis: requests made up from the description that is served, right and wrong ones, against the server
//! that `retain run` and `retain sink` start, on the real engine. No answer may be a server's error, and each must be one
//! that is described.
//!
//! Short in `make test`; `make fuzz-api` tries RETAIN_FUZZ_EXAMPLES (500) requests for each address and method.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

#[path = "support/carried.rs"]
mod carried;
#[path = "api/desk.rs"]
mod desk;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/stories.rs"]
mod stories;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use desk::{Desk, OPERATOR, VIEWER};
use retain::shell::board::{Status, StatusBoard};
use retain::shell::http::{Pages, Server};
use retain::shell::metrics::Metrics;

/// Requests for each address and method in `make test`.
const EXAMPLES: &str = "12";

/// What each answer is held against. That wrong data are always refused and well-formed ones always taken is not among
/// them: a filter that fits nothing is no mistake here, and a cursor that we have not made is one.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth,\
                      unsupported_method";

fn fetched() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_api/fetch.sh");
    let out = Command::new(&script).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn fuzz(program: &str, address: &str, token: &str, folder: &Path) -> Output {
    let asked = std::env::var("RETAIN_FUZZ_EXAMPLES").ok();
    // what systematically covers each description takes minutes
    let phases = if asked.is_some() { "examples,coverage,fuzzing" } else { "examples,fuzzing" };
    let examples = asked.unwrap_or_else(|| EXAMPLES.to_owned());
    Command::new(program)
        .current_dir(folder)
        .args(["run", &format!("http://{address}/api/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", CHECKS, "--max-examples", &examples])
        .args(["--phases", phases, "--generation-deterministic"])
        .args(["--workers", "2", "--continue-on-failure", "--no-color", "--warnings", "off"])
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_requests_find_no_server_error_and_nothing_undescribed() {
    let program = fetched();
    let desk = Desk::full().await;
    let pages = Pages {
        board: StatusBoard::new(Status { pipeline: "customers".into(), ..Status::default() }),
        metrics: Arc::new(Metrics::new().unwrap()),
        live_timeout: Duration::from_secs(60),
    };
    let server = Server::bind("127.0.0.1:0", pages).await.unwrap().with(desk.router.clone());
    let address = server.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    for token in [OPERATOR, VIEWER] {
        let folder = tempfile::tempdir().unwrap();
        let (program, address, place) =
            (program.clone(), address.clone(), folder.path().to_owned());
        let out = tokio::task::spawn_blocking(move || fuzz(&program, &address, token, &place));
        let out = out.await.unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
        println!("{said}");
        let tried = said.lines().find_map(|line| line.trim().strip_prefix("Operations:"));
        let (selected, total) = tried.and_then(|line| line.split_once(" selected / ")).unwrap();
        assert_eq!(Some(selected.trim()), total.strip_suffix(" total"), "not all were tried");
        assert_ne!(selected.trim(), "0");
    }
    // what an operator's requests asked for reached the pipeline
    assert!(!desk.sent.lock().unwrap().is_empty());
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
