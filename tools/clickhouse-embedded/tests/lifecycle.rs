//! Life of the process against the real engine: start, stop, kill -9, several clients, wrong arguments.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{Server, command, rows};

const TABLE: &str =
    "CREATE TABLE t (id UInt64, text String) ENGINE = ReplacingMergeTree ORDER BY id";
const INTO: &str = "INSERT INTO t FORMAT RowBinary";

fn batch(first: u64, rows_per_batch: u64) -> Vec<u8> {
    let values: Vec<(u64, &str)> =
        (first..first + rows_per_batch).map(|id| (id, "a\n\nb")).collect();
    rows(&values)
}

#[test]
fn readers_and_writers_at_once() {
    const WRITERS: u64 = 3;
    const BATCHES: u64 = 20;
    const ROWS: u64 = 500;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.sql(TABLE);
    let (done, server) = (&AtomicBool::new(false), &server);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut seen = 0;
                    while !done.load(Ordering::SeqCst) {
                        let read =
                            server.sql("SELECT count(), countIf(text = 'a\\n\\nb') FROM t FINAL");
                        let (all, whole) = read.split_once('\t').unwrap();
                        let count: u64 = all.parse().unwrap();
                        assert_eq!(all, whole, "a row came back changed");
                        assert!(
                            count >= seen && count.is_multiple_of(ROWS),
                            "{count} rows after {seen}"
                        );
                        seen = count;
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    for number in 0..BATCHES {
                        let data = batch((writer * BATCHES + number) * ROWS, ROWS);
                        assert_eq!(server.insert(INTO, "", &data).status, 200);
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(
            written.iter().all(Result::is_ok)
                && readers.into_iter().all(|reader| reader.join().is_ok())
        );
    });
    let all = WRITERS * BATCHES * ROWS;
    assert_eq!(server.sql("SELECT count(), uniqExact(id) FROM t"), format!("{all}\t{all}"));
}

#[test]
fn kill_9_loses_no_acknowledged_row() {
    const ROWS: u64 = 1000;
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..3 {
        let mut server = Server::start(dir.path());
        if round == 0 {
            server.sql(TABLE);
        }
        let sent = AtomicU64::new(acknowledged);
        let (address, kill) = (server.address.clone(), 5 + 3 * round);
        let writer = || {
            while insert_once(&address, sent.load(Ordering::SeqCst) * ROWS, ROWS) {
                sent.fetch_add(1, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            let writing = scope.spawn(writer);
            while sent.load(Ordering::SeqCst) < acknowledged + kill {
                assert!(!writing.is_finished(), "the server failed before it was killed");
                std::thread::yield_now();
            }
            server.child.kill().unwrap();
            server.child.wait().unwrap();
        });
        acknowledged = sent.load(Ordering::SeqCst);
        let server = Server::start(dir.path());
        let have = |until: u64| {
            server
                .sql(&format!("SELECT uniqExact(id) FROM t WHERE id < {}", until * ROWS))
                .parse::<u64>()
                .unwrap()
        };
        assert_eq!(have(acknowledged), acknowledged * ROWS, "acknowledged rows are missing");
        let next = have(acknowledged + 1) - acknowledged * ROWS;
        assert!(next == 0 || next == ROWS, "{next} rows of a batch of {ROWS}");
    }
}

/// True when the batch was acknowledged; false when the server is gone.
fn insert_once(address: &str, first: u64, count: u64) -> bool {
    let data = batch(first, count);
    let head = format!(
        "POST /?query={} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        support::url(INTO),
        data.len()
    );
    let mut answer = vec![];
    let sent = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(&[head.as_bytes(), &data].concat())?;
        std::io::Read::read_to_end(&mut stream, &mut answer)
    });
    sent.is_ok() && answer.starts_with(b"HTTP/1.1 200 ")
}

#[test]
fn signals_stop_it_with_code_0_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for name in ["TERM", "INT"] {
        let mut server = Server::start(dir.path());
        server.sql(&TABLE.replace("TABLE t", "TABLE IF NOT EXISTS t"));
        assert_eq!(server.sql("SELECT count() FROM t"), expected.to_string());
        assert_eq!(server.insert(INTO, "", &batch(expected, 100)).status, 200);
        expected += 100;
        server.request("POST", "session_id=s", &[], b"CREATE TEMPORARY TABLE x (a UInt8)");
        server.signal(name);
        assert_eq!(server.wait().code(), Some(0), "after SIG{name}");
    }
    assert_eq!(Server::start(dir.path()).sql("SELECT count() FROM t"), "200");
}

#[test]
fn a_running_statement_ends_before_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    server.sql(TABLE);
    let mut stream = begin(&server, "SELECT count() FROM numbers(3) WHERE sleepEachRow(0.3) = 0");
    server.signal("TERM");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n3\n"), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_statement_that_does_not_end_is_cut_off_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(dir.path(), &["--stop-timeout", "0"]);
    server.sql(TABLE);
    let _endless = begin(&server, "SELECT count() FROM system.numbers");
    // A reader that does not read: the statement cannot even be told that it is cancelled.
    let _stuck = begin(&server, "SELECT * FROM system.numbers FORMAT RowBinary");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// Sends a statement and returns when the engine runs it.
fn begin(server: &Server, sql: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let length = sql.len();
    let request = format!(
        "POST / HTTP/1.1\r\nConnection: close\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{sql}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let running = format!("SELECT count() FROM system.processes WHERE query = '{sql}'");
    server.until(&running, "1");
    stream
}

#[test]
fn it_leaves_with_the_process_that_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    server.sql(TABLE);
    drop(server.child.stdin.take());
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_rows_ends_its_statement() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let stream = begin(&server, "SELECT * FROM system.numbers FORMAT RowBinary");
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    server.until("SELECT count() FROM system.processes WHERE query LIKE 'SELECT *%'", "0");
}

#[test]
fn the_memory_limit_holds() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &["--max-memory", "400000000"]);
    let sql = b"SELECT length(groupArray(number)) FROM numbers(200000000)";
    assert_eq!(server.request("POST", "", &[], sql).error(), Some(241));
    assert_eq!(server.sql("SELECT 1"), "1");
}

fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_starts_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let binary = env!("CARGO_BIN_EXE_clickhouse-embedded");
    let message =
        fails(Command::new(binary).arg("--path").arg(dir.path()).args(["--listen", &address]));
    assert!(message.contains("is in use") && message.contains("--listen"), "{message}");

    let message = fails(command(dir.path()).env("CLICKHOUSE_EMBEDDED_LIB", "/no/engine.so"));
    assert!(
        message.contains("CLICKHOUSE_EMBEDDED_LIB") && message.contains("fetch.sh"),
        "{message}"
    );

    let no_cache = command(dir.path())
        .env_remove("CLICKHOUSE_EMBEDDED_LIB")
        .env("RETAIN_CACHE", dir.path())
        .output();
    let message = String::from_utf8(no_cache.unwrap().stderr).unwrap();
    assert!(message.contains("no engine at") && message.contains("fetch.sh"), "{message}");

    let message = fails(command(dir.path()).args(["--lib", binary]));
    assert!(
        message.contains("cannot load the engine") || message.contains("26.7 or newer"),
        "{message}"
    );

    let _first = Server::start(dir.path());
    let message = fails(&mut command(dir.path()));
    assert!(message.contains("another process has the folder open"), "{message}");
}
