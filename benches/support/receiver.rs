//! An HTTP server that reads request bodies and says 200: the bench's own program in a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// Set for the process that is to be a receiver.
const VARIABLE: &str = "RETAIN_BENCH_RECEIVER";

/// Serves for ever if this process was started to; it says its address first.
pub fn serve_if_asked() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        std::thread::spawn(move || answer(stream.unwrap()));
    }
}

/// A receiver; it ends when this is dropped.
pub struct Receiver {
    child: Child,
    /// Its address.
    pub url: String,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(VARIABLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.trim().to_owned() }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(mut stream: TcpStream) {
    // whoever goes away in the middle of a request wants no answer
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while request(&mut reader).is_some() {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Reads a request; `None`: the client has gone.
fn request(reader: &mut impl BufRead) -> Option<()> {
    let (mut length, mut chunked) = (0_usize, false);
    loop {
        let line = line(reader)?.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    while chunked {
        let size = usize::from_str_radix(line(reader)?.trim(), 16).unwrap();
        body.resize(size + 2, 0);
        reader.read_exact(&mut body).ok()?;
        chunked = size > 0;
    }
    Some(())
}

/// A whole line; `None`: the client has gone.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}
