//! Embedded ClickHouse: the engine (chDB) in one process, behind the ClickHouse HTTP interface.
//!
//! Start and stop stand here. The rest: `options` (command line), `http` (routes, where a statement comes from),
//! `request` (parameters), `sql` (what kind of statement), `query` and `insert` (running it), `compression`,
//! `exception`, `pool` (connections and sessions), `engine` (the binding).

mod compression;
mod engine;
mod exception;
mod http;
mod insert;
mod options;
mod pool;
mod query;
mod request;
mod sql;

use axum::Router;
use axum::serve::ListenerExt;
use clap::Parser;
use engine::Engine;
use http::Server;
use options::Options;
use pool::Pool;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What cancelled statements get to end after the time-out of a stop.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
/// Oldest usable engine: it brought streamed inserts, without which data with empty lines are damaged.
const ENGINE_MIN: (u32, u32) = (26, 7);

fn main() {
    let code = match run(&Options::parse()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("clickhouse-embedded: {error}");
            1
        }
    };
    // Leaving by the usual way would run the engine's exit handlers, which crash while a connection is open.
    engine::exit_now(code)
}

fn run(options: &Options) -> Result<(), String> {
    let library = options.engine()?;
    let credentials = options.credentials()?;
    let listener = listen(options.listen)?;
    let data = enter(&options.path)?;
    let engine = Engine::load(&library).map_err(|e| e.to_string())?;
    check_version(&engine.version())?;
    let pool =
        Pool::new(engine.clone(), options.connection_args(&data)?).map_err(|e| e.to_string())?;
    let about = pool.query("SELECT version(), timezone()").map_err(|e| e.to_string())?;
    let (version, timezone) =
        about.split_once('\t').ok_or("the engine does not tell its version")?;
    let server = Server::new(pool.clone(), version.into(), timezone.into(), credentials);

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| format!("no threads to serve with: {e}"))?;
    let stop_timeout = Duration::from_secs(options.stop_timeout);
    runtime.block_on(serve(listener, server, options.exit_with_stdin, stop_timeout))?;

    runtime.shutdown_timeout(CANCEL_TIMEOUT);
    pool.close();
    match engine.open_connections() {
        // Its answer is of no use: it objects whenever there is a MergeTree table.
        0 => drop(engine.shutdown()),
        open => eprintln!("clickhouse-embedded: stopped with {open} statement(s) cut off"),
    }
    Ok(())
}

fn check_version(version: &str) -> Result<(), String> {
    let mut parts = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    match (major, minor) {
        (Some(major), Some(minor)) if (major, minor) >= ENGINE_MIN => Ok(()),
        _ => Err(format!(
            "the engine is libchdb {version}, {}.{} or newer is needed: \
             fetch it with: sh tools/clickhouse-embedded/fetch.sh",
            ENGINE_MIN.0, ENGINE_MIN.1
        )),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} of {} is in use: stop the program that has it, or choose another port with --listen \
             (port 0 picks a free one)",
            address.port(),
            address.ip()
        ),
        _ => format!("cannot listen on {address}: {error}"),
    })?;
    listener.set_nonblocking(true).map_err(|e| format!("cannot listen on {address}: {e}"))?;
    Ok(listener)
}

/// Makes the data folder and works in it: the engine reads a `config.xml` from where it is started.
fn enter(path: &Path) -> Result<std::path::PathBuf, String> {
    let failed = |e: io::Error| format!("--path {}: {e}", path.display());
    std::fs::create_dir_all(path).map_err(failed)?;
    let data = path.canonicalize().map_err(failed)?;
    std::env::set_current_dir(&data).map_err(failed)?;
    Ok(data)
}

/// Serves until it is told to stop, then lets running statements end, and cancels them after `stop_timeout`.
async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    exit_with_stdin: bool,
    stop_timeout: Duration,
) -> Result<(), String> {
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| e.to_string())?;
    // Without TCP_NODELAY an answer in two pieces takes 40 ms (Nagle against delayed acknowledgements).
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let stopped = stop_request(exit_with_stdin)?;
    let (stopping, stop) = oneshot::channel::<()>();
    let router = Router::new().fallback(http::handle).with_state(server.clone());
    let serving = axum::serve(listener, router).with_graceful_shutdown(async { drop(stop.await) });
    let mut serving = std::pin::pin!(serving.into_future());

    println!("listening on http://{address}");
    // A closed stdout is no reason to stop.
    let _ = io::stdout().flush();
    tokio::select! {
        served = &mut serving => return served.map_err(|e| format!("serving ended: {e}")),
        () = stopped => {}
    }
    let _ = stopping.send(());
    if tokio::time::timeout(stop_timeout, &mut serving).await.is_err() {
        let pool = server.pool.clone();
        let cancelled = tokio::task::spawn_blocking(move || pool.query("KILL QUERY WHERE 1 ASYNC"));
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelled).await;
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, &mut serving).await;
    }
    Ok(())
}

/// Ends with SIGTERM, SIGINT, or, if asked for, with standard input.
fn stop_request(exit_with_stdin: bool) -> Result<impl Future<Output = ()>, String> {
    let failed = |e: io::Error| format!("cannot watch for signals: {e}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (ended, end) = oneshot::channel::<()>();
    if exit_with_stdin {
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            drop(ended);
        });
    } else {
        // Never told: a process in the background often has no standard input.
        std::mem::forget(ended);
    }
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = end => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_engines_are_refused() {
        assert!(check_version("26.7.3").is_ok() && check_version("27.0.0").is_ok());
        for version in ["26.5.3", "25.9.1", "", "x"] {
            assert!(
                check_version(version).is_err_and(|e| e.contains("26.7 or newer")),
                "{version}"
            );
        }
    }
}
