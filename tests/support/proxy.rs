//! A TCP proxy that misbehaves, connection by connection; std threads, so that it needs no feature of tokio.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a connection meets.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request arrives, the rows are in, the answer is lost.
    AnswerLost,
    /// Nothing arrives and nothing comes back: a time-out must end it.
    Silent,
    /// The whole request is read and answered with this status line and body, without asking the engine.
    Answers(&'static str, &'static str),
    /// Each piece of the answer comes so much later.
    Slow(Duration),
    /// The connection is closed at once.
    Closed,
}

/// A proxy whose fault can be changed while it runs; it holds for all connections, also for those that are open.
pub struct Gate {
    /// Its own address.
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    fault: Option<Fault>,
    open: Vec<TcpStream>,
    /// Connections that met the fault; pieces of answers, where it only makes them slow.
    met: usize,
}

impl Gate {
    /// Forwards to `target` (`http://host:port`), without a fault at first.
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = target.trim_start_matches("http://").to_owned();
        let state = Arc::new(Mutex::new(State { fault: None, open: Vec::new(), met: 0 }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target) = (client.unwrap(), target.clone());
                let mut state = shared.lock().unwrap();
                let slow = matches!(state.fault, Some(Fault::Slow(_)));
                state.met += usize::from(state.fault.is_some() && !slow);
                state.open.push(client.try_clone().unwrap());
                let (fault, shared) = (state.fault.clone(), Arc::clone(&shared));
                let slowed = move || shared.lock().unwrap().met += 1;
                thread::spawn(move || serve(client, &target, fault, slowed));
            }
        });
        Self { url, state }
    }

    /// From now on; what is under way is cut off.
    pub fn set(&self, fault: Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.met) = (fault, 0);
        for open in state.open.drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    /// How often the present fault was met: a connection that is only slow may serve many requests.
    pub fn met(&self) -> usize {
        self.state.lock().unwrap().met
    }
}

/// Forwards connections to `target` (`http://host:port`); the first ones meet a fault each. Returns its own address.
/// Ends with the test's process.
pub fn start(target: &str, faults: Vec<Fault>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        let mut faults = faults.into_iter();
        for client in listener.incoming() {
            let (client, target, fault) = (client.unwrap(), target.clone(), faults.next());
            thread::spawn(move || serve(client, &target, fault, || {}));
        }
    });
    url
}

fn serve(mut client: TcpStream, target: &str, fault: Option<Fault>, slowed: impl Fn()) {
    match fault {
        Some(Fault::Silent) => {
            // Read to the end of the client's patience, say nothing.
            let _ = copy(&mut client, &mut std::io::sink());
        }
        Some(Fault::Answers(status, body)) => {
            // The whole chunked body is taken first, so that the answer is not lost to a reset.
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"\r\n0\r\n\r\n") {
                match client.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(read) => request.extend_from_slice(&buffer[..read]),
                }
            }
            let length = body.len();
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
        Some(Fault::Closed) => {}
        Some(Fault::Slow(delay)) => {
            let mut server = forward_requests(&client, target);
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = server.read(&mut buffer) {
                slowed();
                thread::sleep(delay);
                if client.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
        }
        Some(Fault::AnswerLost) => {
            let server = forward_requests(&client, target);
            // The first byte of the answer: the insert is done.
            let _ = server.peek(&mut [0; 1]);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
        None => {
            let mut server = forward_requests(&client, target);
            let _ = copy(&mut server, &mut client);
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn forward_requests(client: &TcpStream, target: &str) -> TcpStream {
    let server = TcpStream::connect(target).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    server
}
