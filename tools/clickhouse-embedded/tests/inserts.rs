//! INSERT against the real engine: bytes that look like line ends, wrong blocks, compression, cut-off bodies.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;
use support::{Server, block, rows};

const COLUMNS: [(&str, &str); 2] = [("id", "UInt64"), ("text", "String")];
const INTO: &str = "INSERT INTO t(id, text) FORMAT RowBinaryWithNamesAndTypes";

fn with_table(test: impl FnOnce(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.sql("CREATE TABLE t (id UInt64, text String) ENGINE = MergeTree ORDER BY id");
    test(&server);
}

/// One native frame: CityHash128 of the rest, method LZ4, sizes, content.
fn lz4_frame(data: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(data);
    let mut rest = vec![0x82];
    rest.extend_from_slice(&(packed.len() as u32 + 9).to_le_bytes());
    rest.extend_from_slice(&(data.len() as u32).to_le_bytes());
    rest.extend_from_slice(&packed);
    let hash = cityhash_rs::cityhash_102_128(&rest).rotate_right(64);
    [&hash.to_le_bytes()[..], &rest].concat()
}

#[test]
fn empty_lines_in_strings_and_numbers_are_data() {
    with_table(|server| {
        let texts = [
            (0x0a0a_0a0a, "a\n\nb"),
            (2, "\n\n"),
            (3, "; SELECT 1\n\nINSERT INTO t VALUES (9, '')"),
        ];
        let reply = server.insert(INTO, "", &block(&COLUMNS, &rows(&texts)));
        assert_eq!((reply.status, reply.text()), (200, String::new()));
        assert!(reply.header("x-clickhouse-summary").unwrap().contains(r#""written_rows":"3""#));
        let read = "SELECT id, text FROM t ORDER BY id FORMAT RowBinary";
        let back = server.request("POST", "", &[], read.as_bytes()).body;
        assert_eq!(back, rows(&[texts[1], texts[2], texts[0]]));
    });
}

#[test]
fn data_may_stand_behind_the_statement_in_the_body() {
    with_table(|server| {
        let data = rows(&[(1, "a\n\nb")]);
        let body = [b"INSERT INTO t FORMAT RowBinary\n", &data[..]].concat();
        assert_eq!(server.request("POST", "", &[], &body).status, 200);
        server.sql("INSERT INTO t VALUES (2, 'c\n\nd')");
        server.sql("INSERT INTO t FORMAT JSONEachRow {\"id\": 3, \"text\": \"x\"}\n\n{\"id\": 4, \"text\": \"y\"}");
        assert_eq!(server.sql("SELECT sum(id), countIf(text LIKE '%\\n\\n%') FROM t"), "10\t2");
    });
}

#[test]
fn a_block_of_other_types_inserts_nothing() {
    with_table(|server| {
        let good = rows(&[(1, "a"), (2, "b")]);
        for columns in [
            [("id", "UInt64"), ("text", "Array(String)")],
            [("id", "String"), ("text", "String")],
            [("text", "UInt64"), ("id", "String")],
            [("id", "UInt64"), ("text", "NoSuchType")],
        ] {
            let reply = server.insert(INTO, "", &block(&columns, &good));
            assert!(reply.error().is_some(), "{columns:?} was accepted");
        }
        let unknown = block(&[("id", "UInt64"), ("txet", "String")], &good);
        let reply = server.insert(INTO, "&input_format_skip_unknown_fields=0", &unknown);
        assert_eq!(reply.error(), Some(117), "{}", reply.text());
        assert_eq!(server.sql("SELECT count() FROM t"), "0");
        assert_eq!(server.insert(INTO, "", &block(&COLUMNS, &good)).status, 200);
        assert_eq!(server.sql("SELECT count() FROM t"), "2");
    });
}

#[test]
fn a_row_that_ends_early_inserts_nothing() {
    with_table(|server| {
        let data = block(&COLUMNS, &rows(&[(1, "a"), (2, "bc")]));
        let reply = server.insert(INTO, "", &data[..data.len() - 1]);
        assert!(reply.error().is_some(), "a row without end was accepted");
        assert_eq!(server.sql("SELECT count() FROM t"), "0");
    });
}

#[test]
fn an_unknown_table_is_told_after_a_large_body() {
    with_table(|server| {
        let data = vec![b'x'; 20 << 20];
        let reply = server.insert("INSERT INTO nowhere FORMAT RowBinary", "", &data);
        assert_eq!((reply.error(), reply.status), (Some(60), 404));
    });
}

#[test]
fn compressed_bodies_come_back_and_damaged_ones_insert_nothing() {
    with_table(|server| {
        let data = block(&COLUMNS, &rows(&[(1, "a\n\nb"), (2, "c")]));
        // Inside the last row: the first frame alone is no whole block.
        let (first, second) = data.split_at(data.len() - 3);
        let body = [lz4_frame(first), lz4_frame(second)].concat();
        for damaged in [&body[..body.len() - 1], &lz4_frame(first), &{
            let mut wrong = body.clone();
            wrong[body.len() - 1] ^= 1;
            wrong
        }] {
            assert!(server.insert(INTO, "&decompress=1", damaged).error().is_some());
        }
        assert_eq!(server.sql("SELECT count() FROM t"), "0");
        let reply = server.insert(INTO, "&decompress=1", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(server.sql("SELECT id, hex(text) FROM t ORDER BY id"), "1\t610A0A62\n2\t63");
        let whole = server.request("POST", "decompress=1", &[], &lz4_frame(b"SELECT 1"));
        assert_eq!(whole.text(), "1\n");
    });
}

#[test]
fn gzip_bodies_come_back() {
    with_table(|server| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, b"1\tx\n2\ty\n").unwrap();
        let query = format!("query={}", support::url("INSERT INTO t FORMAT TSV"));
        let reply =
            server.request("POST", &query, &["Content-Encoding: gzip"], &encoder.finish().unwrap());
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(server.sql("SELECT count() FROM t"), "2");
    });
}

#[test]
fn a_request_that_is_cut_off_inserts_nothing() {
    with_table(|server| {
        let whole = rows(&[(1, "a"), (2, "b")]);
        let query = support::url("INSERT INTO t FORMAT RowBinary");
        // Half of what the length promises, or chunks without the last one: whole rows, but not the whole request.
        let promised = format!("Content-Length: {}", whole.len() * 2).into_bytes();
        let chunked = b"Transfer-Encoding: chunked".to_vec();
        let chunk = [format!("{:x}\r\n", whole.len()).as_bytes(), &whole, b"\r\n"].concat();
        for (header, body) in [(promised, whole), (chunked, chunk)] {
            let head =
                format!("POST /?query={query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
            let request = [head.as_bytes(), &header, b"\r\n\r\n", &body].concat();
            let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
            std::io::Write::write_all(&mut stream, &request).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // The server closes, with an exception or without: then the INSERT is decided.
            std::io::Read::read_to_end(&mut stream, &mut vec![]).unwrap();
        }
        let waiting = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'";
        server.until(waiting, "0");
        assert_eq!(server.sql("SELECT count() FROM t"), "0");
    });
}

#[test]
fn a_token_makes_a_repeated_block_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.sql(
        "CREATE TABLE t (id UInt64, text String) ENGINE = MergeTree ORDER BY id
         SETTINGS non_replicated_deduplication_window = 100",
    );
    for token in ["a", "a", "b"] {
        let more = format!("&insert_deduplication_token={token}");
        assert_eq!(server.insert(INTO, &more, &block(&COLUMNS, &rows(&[(1, "x")]))).status, 200);
    }
    assert_eq!(server.sql("SELECT count() FROM t"), "2");
}
