//! Statements that answer, against the real engine: DDL, views, parameters, sessions, formats, exceptions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;
use support::{Server, url};

fn with_server(test: impl FnOnce(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    test(&Server::start(dir.path()));
}

#[test]
fn ping_version_and_unknown_paths() {
    with_server(|server| {
        assert_eq!(server.raw(b"GET /ping HTTP/1.0\r\n\r\n").text(), "Ok.\n");
        assert_eq!(server.raw(b"GET /nowhere HTTP/1.0\r\n\r\n").status, 404);
        let version: Vec<u32> =
            server.sql("SELECT version()").split('.').map(|part| part.parse().unwrap()).collect();
        assert!(version[..2] >= [26, 7][..], "{version:?}");
    });
}

#[test]
fn final_of_a_replacing_table_hides_old_and_deleted_rows() {
    with_server(|server| {
        server.sql(
            "CREATE TABLE t (id UInt64, v String, version UInt64, is_deleted UInt8)
             ENGINE = ReplacingMergeTree(version, is_deleted) ORDER BY id",
        );
        server.sql("INSERT INTO t VALUES (1, 'old', 1, 0), (2, 'gone', 1, 0), (3, 'kept', 7, 0)");
        server.sql("INSERT INTO t VALUES (1, 'new', 2, 0), (2, '', 2, 1), (3, 'late', 6, 0)");
        assert_eq!(server.sql("SELECT count() FROM t"), "6");
        assert_eq!(server.sql("SELECT id, v FROM t FINAL ORDER BY id"), "1\tnew\n3\tkept");
    });
}

#[test]
fn a_parameterised_view_is_read_at_a_time() {
    with_server(|server| {
        server.sql(
            "CREATE TABLE t (id UInt64, as_of DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY id",
        );
        server.sql("INSERT INTO t VALUES (1, '2026-01-01 00:00:00'), (2, '2026-01-03 00:00:00')");
        server.sql(
            "CREATE VIEW t_at AS SELECT id, if({at:DateTime64(3)} < as_of, NULL,
             dateDiff('hour', as_of, {at:DateTime64(3)})) AS hours FROM t",
        );
        let at = |time: &str| {
            server.sql(&format!("SELECT id, hours FROM t_at(at = '{time}') ORDER BY id"))
        };
        assert_eq!(at("2026-01-02 00:00:00"), "1\t24\n2\t\\N");
        assert_eq!(at("2026-01-03 01:00:00"), "1\t49\n2\t1");
        server.sql("CREATE VIEW t_now AS SELECT * FROM t_at(at = now64(3))");
        assert_eq!(server.sql("SELECT count() FROM t_now"), "2");
        server
            .sql("CREATE OR REPLACE VIEW t_now AS SELECT * FROM t_at(at = now64(3)) WHERE id = 1");
        assert_eq!(server.sql("SELECT count() FROM t_now"), "1");
    });
}

#[test]
fn exceptions_carry_code_and_status() {
    with_server(|server| {
        let run = |sql: &str| server.request("POST", "", &[], sql.as_bytes());
        for (sql, code, status) in [
            ("SELECT * FROM nowhere", 60, 404),
            ("SELECT toUInt8('x')", 6, 400),
            ("SELEC 1", 62, 400),
            ("", 62, 400),
            ("SELECT 1 SETTINGS no_such_setting = 1", 115, 404),
            ("SELECT count() FROM system.numbers SETTINGS max_execution_time = 0.1", 159, 408),
        ] {
            let reply = run(sql);
            assert_eq!(
                (reply.error(), reply.status),
                (Some(code), status),
                "{sql}: {}",
                reply.text()
            );
        }
        let reply = server.request("POST", "no_such_setting=1", &[], b"SELECT 1");
        assert_eq!((reply.error(), reply.status), (Some(115), 404));
        assert_eq!(server.sql("SELECT 1"), "1");
    });
}

#[test]
fn an_exception_behind_rows_ends_them_in_the_tagged_form() {
    with_server(|server| {
        let sql = "SELECT throwIf(number = 3000000) FROM numbers(4000000) FORMAT RowBinary";
        let reply = server.request("POST", "", &[], sql.as_bytes());
        assert_eq!(reply.status, 200, "rows were on their way");
        let tag = reply.header("x-clickhouse-exception-tag").expect("told before").to_string();
        let start = reply.body.windows(13).position(|w| w == b"__exception__").expect("a trailer");
        assert!(reply.body[..start - 2].iter().all(|&byte| byte == 0), "only rows before it");
        let trailer = String::from_utf8(reply.body[start..].to_vec()).unwrap();
        assert!(
            trailer.starts_with(&format!("__exception__\r\n{tag}\r\nCode: 395. ")),
            "{trailer}"
        );
        assert!(trailer.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{trailer}");
    });
}

#[test]
fn streamed_rows_are_those_of_the_whole_answer() {
    with_server(|server| {
        let sql = "SELECT number, toString(number) AS s, [number] AS a FROM numbers(300000)";
        for format in ["RowBinaryWithNamesAndTypes", "RowBinary", "TSV", "JSONEachRow", "CSV"] {
            let run = |more: &str| {
                let query = format!("default_format={format}&max_threads=1{more}");
                server.request("POST", &query, &[], sql.as_bytes())
            };
            let (streamed, whole) = (run(""), run("&wait_end_of_query=1"));
            assert!(streamed.header("content-length").is_none(), "{format} was not streamed");
            assert!(whole.header("content-length").is_some(), "{format} was streamed");
            assert!(streamed.body == whole.body, "{format} differs");
        }
        let none = server.request(
            "POST",
            "",
            &[],
            b"SELECT 1 AS a WHERE 0 FORMAT RowBinaryWithNamesAndTypes",
        );
        assert_eq!(none.body, b"\x01\x01a\x05UInt8", "an answer without rows has its head");
    });
}

#[test]
fn parameters_come_by_url_and_by_form() {
    with_server(|server| {
        let sql = "SELECT {id:UInt64} + 1, {s:String}";
        let reply = server.request(
            "GET",
            &format!("query={}&param_id=41&param_s=a%5Ctb", url(sql)),
            &[],
            b"",
        );
        assert_eq!(reply.text(), "42\ta\\tb\n");
        let form = format!(
            "--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{sql}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"param_id\"\r\n\r\n41\r\n\
             --B\r\nContent-Disposition: form-data; name=\"param_s\"\r\n\r\nit's\r\n--B--\r\n"
        );
        let header = ["Content-Type: multipart/form-data; boundary=B"];
        assert_eq!(server.request("POST", "", &header, form.as_bytes()).text(), "42\tit\\'s\n");
    });
}

#[test]
fn settings_hold_for_their_request_alone() {
    with_server(|server| {
        let threads = |query: &str| {
            let reply = server.request("POST", query, &[], b"SELECT getSetting('max_threads')");
            reply.text().trim().to_string()
        };
        let default = threads("");
        assert_eq!(threads("max_threads=7"), "7");
        assert_eq!(threads(""), default);
        assert_eq!(threads("session_id=s&max_threads=7"), "7");
        assert_eq!(threads("session_id=s"), default);
        server.sql("SET max_threads = 9");
        assert_eq!(threads(""), default, "SET outside of a session is forgotten");
    });
}

#[test]
fn a_session_keeps_its_temporary_table_and_its_settings() {
    with_server(|server| {
        let run = |session: &str, sql: &str| {
            server.request("POST", &format!("session_id={session}"), &[], sql.as_bytes())
        };
        assert_eq!(run("a", "CREATE TEMPORARY TABLE mine (x UInt8)").status, 200);
        assert_eq!(run("a", "INSERT INTO mine VALUES (5)").status, 200);
        assert_eq!(run("a", "SET max_threads = 9").status, 200);
        assert_eq!(run("a", "SELECT x, getSetting('max_threads') FROM mine").text(), "5\t9\n");
        assert_eq!(run("b", "SELECT x FROM mine").error(), Some(60));
    });
}

#[test]
fn get_changes_nothing() {
    with_server(|server| {
        let sql = "CREATE TABLE t (a UInt8) ENGINE = Memory";
        let reply = server.request("GET", &format!("query={}", url(sql)), &[], b"");
        assert_eq!(reply.error(), Some(164));
        assert_eq!(server.sql("EXISTS t"), "0");
    });
}

#[test]
fn databases_by_parameter_and_by_header() {
    with_server(|server| {
        server.sql("CREATE DATABASE other");
        let by_url = server.request("POST", "database=other", &[], b"SELECT currentDatabase()");
        let by_header = server.request(
            "POST",
            "",
            &["X-ClickHouse-Database: other"],
            b"SELECT currentDatabase()",
        );
        assert_eq!((by_url.text(), by_header.text()), ("other\n".into(), "other\n".into()));
        assert_eq!(server.request("POST", "database=none", &[], b"SELECT 1").error(), Some(81));
    });
}

#[test]
fn a_user_needs_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "se cret\n").unwrap();
    let data = dir.path().join("data");
    let server =
        Server::start_with(&data, &["--user", "u", "--password-file", file.to_str().unwrap()]);
    let run = |headers: &[&str]| server.request("POST", "", headers, b"SELECT 1");
    assert_eq!(run(&[]).error(), Some(516));
    assert_eq!(run(&["X-ClickHouse-User: u", "X-ClickHouse-Key: wrong"]).status, 403);
    assert_eq!(run(&["X-ClickHouse-User: u", "X-ClickHouse-Key: se cret"]).text(), "1\n");
    assert_eq!(run(&["Authorization: Basic dTpzZSBjcmV0"]).text(), "1\n");
}
